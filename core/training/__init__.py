"""Training of encoders: recipes, data, losses and the loop. Its results are encoders like any
other."""
