"""RRAM devices: resistance statistics, fits, error rates, and the device macro."""
