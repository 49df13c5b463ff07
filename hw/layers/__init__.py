"""Layers of binarized engines, and the table of them."""
