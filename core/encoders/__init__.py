"""Pictures to vectors: one file a family."""
