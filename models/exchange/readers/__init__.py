"""Files of other tools, each read into one graph."""
