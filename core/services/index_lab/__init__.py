"""What approximation costs: recall against time and memory, what a setting loses, and why."""
