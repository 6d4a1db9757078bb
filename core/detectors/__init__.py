"""Detectors: where in a picture its subject is. One file a detector, found by name."""
