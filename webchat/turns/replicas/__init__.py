"""One process among several that serve the same database: its lease, and the turns that others run."""
