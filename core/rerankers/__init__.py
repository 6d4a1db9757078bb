"""Re-rankers: the first hits of any encoder in a better order, a file for each."""
