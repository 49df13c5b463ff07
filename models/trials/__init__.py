"""Accuracy under drawn errors: single trials and their statistics."""
