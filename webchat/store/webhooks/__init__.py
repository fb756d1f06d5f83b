"""Webhooks: what operators want to be told, and what is still to be sent."""
