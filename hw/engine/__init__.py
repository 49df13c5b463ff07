"""The engine, and its programming."""
