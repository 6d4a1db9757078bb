"""Networks of our own that detectors run: imported when one is first used, since they need
torch."""
