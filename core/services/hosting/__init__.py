"""A public server: who asks, what belongs to whom, what a visitor may use, and what is told to the
operator."""
