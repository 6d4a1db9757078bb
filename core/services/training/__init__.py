"""Training runs: estimates, jobs, curves, and what a run changed."""
