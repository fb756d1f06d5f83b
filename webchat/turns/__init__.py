"""One message in, one stored reply out: the only path to a model. Durable, resumable, stoppable.

Read `service` first, then `asking`, from an ask to a begun turn, and `generating`, from there to its reply.
`waiting` is the queue for a model at capacity. Two rooms are beside the turns: `titles`, and `inspecting`,
which keeps what models were sent.
"""

from webchat.turns.ask import Against, Ask, AskKind, Called
from webchat.turns.errors import (
    BadAsk,
    EmptyMessage,
    KeyTaken,
    MessageBlocked,
    MessageTooLong,
    NotAccepting,
    ServerBusy,
    StillRunning,
    TooManyTurns,
    TooManyTurnsOfLink,
    TooManyTurnsOfNetwork,
    TurnError,
    UnknownModel,
)
from webchat.turns.events import Delta, Done, Followed, Gone, News, Status, TurnEvent, Wait
from webchat.turns.following import Follower
from webchat.turns.gates.review import Review
from webchat.turns.places import Group, Most, Party
from webchat.turns.service import Turns

__all__ = [
    "Against",
    "Ask",
    "AskKind",
    "BadAsk",
    "Called",
    "Delta",
    "Done",
    "EmptyMessage",
    "Followed",
    "Follower",
    "Gone",
    "Group",
    "KeyTaken",
    "MessageBlocked",
    "MessageTooLong",
    "Most",
    "News",
    "NotAccepting",
    "Party",
    "Review",
    "ServerBusy",
    "Status",
    "StillRunning",
    "TooManyTurns",
    "TooManyTurnsOfLink",
    "TooManyTurnsOfNetwork",
    "TurnError",
    "TurnEvent",
    "Turns",
    "UnknownModel",
    "Wait",
]
