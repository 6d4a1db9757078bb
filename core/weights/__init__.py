"""Files of networks: where they lie, fetching, checks, packages that bring some."""
