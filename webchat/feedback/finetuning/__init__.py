"""Training an adapter on an export, by `trl` in a process of its own, and its way into the picker.

`plan` says what will run, `checks` why it cannot, `running` runs it and tells how it goes by `progress`,
`adapters` keeps what came of it beside a card.
"""

from webchat.feedback.finetuning.adapters import Card, card_of, check_free, kept
from webchat.feedback.finetuning.checks import CannotTrain, Found, check
from webchat.feedback.finetuning.plan import LEARNING_RATES, METHODS, Method, Plan
from webchat.feedback.finetuning.progress import Point, Progress
from webchat.feedback.finetuning.running import AlreadyRunning, Cancelled, Failed, cancel, run

__all__ = [
    "LEARNING_RATES",
    "METHODS",
    "AlreadyRunning",
    "Cancelled",
    "CannotTrain",
    "Card",
    "Failed",
    "Found",
    "Method",
    "Plan",
    "Point",
    "Progress",
    "cancel",
    "card_of",
    "check",
    "check_free",
    "kept",
    "run",
]
