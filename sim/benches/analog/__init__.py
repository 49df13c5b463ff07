"""Testbenches of the integer parts of analog arrays."""
