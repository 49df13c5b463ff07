"""The host link of a board."""
