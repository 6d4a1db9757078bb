"""What is taken away: one HTML file that works without a network, figures for other programs."""
