"""Explainers: why two pictures are similar to an encoder. One file a method, found by name."""
