"""The demonstration: a network through RTL, and its page."""
