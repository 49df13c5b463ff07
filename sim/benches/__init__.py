"""cocotb testbenches, by package of the gateware."""
