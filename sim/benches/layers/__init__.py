"""Testbenches of layers and their parts."""
