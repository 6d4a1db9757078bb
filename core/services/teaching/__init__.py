"""What lessons show and ask: every number of a lesson comes from here, from the system."""
