"""Networks, their layers and their files."""
