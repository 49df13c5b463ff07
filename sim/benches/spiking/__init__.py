"""Testbenches of spiking engines."""
