"""Bit errors: maps of them, errors of single reads, and the march test that finds them."""
