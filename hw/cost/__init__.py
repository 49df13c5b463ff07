"""What an engine does for an image, counted from its structure."""
