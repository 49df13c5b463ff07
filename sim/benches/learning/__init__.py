"""Testbenches of ``hw/learning``."""
