"""Parts of the Arena page."""
