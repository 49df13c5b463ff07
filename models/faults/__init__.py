"""Bit errors: fault maps, errors of single reads, and the march test."""
