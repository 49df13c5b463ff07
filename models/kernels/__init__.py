"""Compiled kernels of the golden model on packed bits (numba)."""
