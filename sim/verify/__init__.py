"""The emitted Verilog against the golden model."""
