"""The structure of an engine, and what follows from it alone; no gateware."""
