"""Testbenches of whole engines."""
