"""Why something cannot be trained or kept."""

from __future__ import annotations


class CannotTrain(Exception):
    """The message is one sentence on what is wrong, and one on what to do."""
