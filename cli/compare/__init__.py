"""Commands of the panel Compare."""
