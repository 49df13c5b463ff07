"""Which synapse lies where, and the memory files; no gateware."""
