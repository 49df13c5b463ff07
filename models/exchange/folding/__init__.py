"""Folding of a graph of operations into integer thresholds, checked at every popcount."""
