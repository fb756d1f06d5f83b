"""Several processes that serve one PostgreSQL database: their leases, and what they tell each other."""
