"""From a data set and an encoder's name to vectors and an index: estimates, builds, fits, crops,
calibration."""
