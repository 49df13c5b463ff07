"""What software sees: the register map and the host link's frames; no gateware."""
