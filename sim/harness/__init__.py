"""How a testbench of a unit or an engine is built and run."""
