"""Where words are checked on their way in and out.

The law: streaming output is released only as far as no moderator can still change it, and for every
chunking of a text the released text equals the check of the whole text. Every door passes here: send, edit,
regenerate, continue and the title a model proposes.
"""

from webchat.moderation.gate import OPEN, Blocked, Gate, GateFactory, OpenGate, OpenGates, Pieces

__all__ = ["OPEN", "Blocked", "Gate", "GateFactory", "OpenGate", "OpenGates", "Pieces"]
