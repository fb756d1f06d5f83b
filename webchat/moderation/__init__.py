"""Checks text on its way in and out.

The law: streamed output is released only as far as no moderator can still change it, and for every chunking
of a text the released text equals the check of the whole text. A verdict sticks: after a refusal, no stop,
error or time-out releases anything. Every path passes here: send, edit, regenerate, continue, and the title a
model proposes.

Read `moderation` first, then `filters` (what a moderator is) and `guarded` (its limits). `kinds` contains the
built-in moderators, `plugins` loads those of other packages, `rules` reads those of a file.
"""

from webchat.moderation.gate import OPEN, Gate, GateFactory, OpenGate, OpenGates, Prepared
from webchat.moderation.moderation import Decision, Moderation, Trial
from webchat.moderation.verdicts import Blocked, Context, Finding, Piece, Pieces, Released, Verdict

__all__ = [
    "OPEN",
    "Blocked",
    "Context",
    "Decision",
    "Finding",
    "Gate",
    "GateFactory",
    "Moderation",
    "OpenGate",
    "OpenGates",
    "Piece",
    "Pieces",
    "Prepared",
    "Released",
    "Trial",
    "Verdict",
]
