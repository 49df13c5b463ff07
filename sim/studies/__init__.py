"""Whole stories: the demo, the SPIRIT task, wear, benchmarks."""
