"""Files of networks: where they lie, how they are fetched and checked, and which packages bring
some along."""
