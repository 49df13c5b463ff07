"""Integer parts of analog arrays: what is behind a converter, and the converter itself as arithmetic."""
