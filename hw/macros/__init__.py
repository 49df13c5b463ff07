"""RRAM macros, the memories of coefficients, and what is wired to them."""
