"""Read-only shares: making, reading, ending, and going on from one as a chat of one's own."""
