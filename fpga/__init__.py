"""Boards, bitstreams and the host link."""

if not __name__.startswith("oxnor."):
    raise ImportError("import this package as 'oxnor.fpga', or there will be two module objects of each file")
