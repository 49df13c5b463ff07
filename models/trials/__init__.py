"""Accuracy under drawn errors, and what the trials say together."""
