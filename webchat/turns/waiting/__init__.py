"""Waiting for a model at capacity. `queue` is the queue itself, `rotation` the order in which people are
admitted.
"""
