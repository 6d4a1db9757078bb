"""A public server: who asks, what belongs to whom, what visitors may, what the operator is told."""
