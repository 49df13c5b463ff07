"""Spiking networks as NIR."""
