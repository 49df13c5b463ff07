"""Readings from the files of labs."""
