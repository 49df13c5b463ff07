"""Accuracy against bit error rate, resumable."""
