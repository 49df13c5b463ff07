"""cocotb testbenches, the Verilator runner, reports."""

if not __name__.startswith("oxnor."):
    raise ImportError("import this package as 'oxnor.sim', or there will be two module objects of each file")
