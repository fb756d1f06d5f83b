"""Replays: sets of stored replies, runs of other models over them, and votes between the two."""
