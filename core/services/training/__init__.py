"""Training runs before, while and after they learn: estimates, jobs, curves, and what a run
changed."""
