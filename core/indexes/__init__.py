"""Vectors to nearest neighbours: one row or one small file an index."""
