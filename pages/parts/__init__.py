"""What pages consist of: shared parts here, those of one page in its own folder."""
