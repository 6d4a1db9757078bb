"""Networks of our own that detectors run: imported on first use, since they need torch."""
