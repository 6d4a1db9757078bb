"""Training of encoders: recipes, data, losses and the loop. Results are encoders like others."""
