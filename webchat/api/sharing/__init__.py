"""Read-only shares: their owners' routes, and the pages for everybody who has an address."""
