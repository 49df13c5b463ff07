"""Analog in-memory computing: crossbars that add currents, their devices and converters."""
