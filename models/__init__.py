"""What a network is, what it computes, and how devices fail."""

if not __name__.startswith("oxnor."):
    raise ImportError("import this package as 'oxnor.models', or there will be two module objects of each file")
