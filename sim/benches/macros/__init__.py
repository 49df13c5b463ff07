"""Testbenches of macros."""
