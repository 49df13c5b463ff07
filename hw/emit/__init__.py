"""Verilog, and everything that is written beside it."""
