"""Testbenches of blocks."""
