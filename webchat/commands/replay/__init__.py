"""`webchat replay`: stored conversations on other models, or with other settings."""

from webchat.commands.replay.command import add_replay_command

__all__ = ["add_replay_command"]
