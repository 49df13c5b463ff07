"""Amaranth generators of the engine (gateware)."""

if not __name__.startswith("oxnor."):
    raise ImportError("import this package as 'oxnor.hw', or there will be two module objects of each file")
