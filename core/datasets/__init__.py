"""Sources of pictures: one file a source."""
