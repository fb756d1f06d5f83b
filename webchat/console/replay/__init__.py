"""The tab of replays: sets of stored replies, runs of other variants over them, and both side by side."""

from webchat.console.replay.tab import create_replay

__all__ = ["create_replay"]
