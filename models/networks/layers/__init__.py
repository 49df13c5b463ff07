"""Layer types, one file each, and the table of them."""
