"""What lessons show and ask: every number of a lesson comes from here, and so from the system
itself."""
