"""Readers of other tools' files; each returns a graph."""
