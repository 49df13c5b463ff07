"""Builds and runs: Verilator, cocotb, processes, tools."""
