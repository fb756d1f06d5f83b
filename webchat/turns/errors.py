"""Why a request was rejected, as a tree. Nothing was stored when one of these is raised.

TurnError
├── NotAccepting       the server is shutting down
├── TurnLimit          a limit of replies running or in the queue is reached
│   ├── TooManyTurns           by this owner
│   ├── TooManyTurnsOfLink     by the visitors of one link
│   └── TooManyTurnsOfNetwork  by those of one network
├── ServerBusy         the server has reached its total limit
├── ServerFull         the server has only what running replies need, of
│   ├── DiskFull       its disk
│   └── MemoryFull     its memory
├── SlowReader         what follows a reply has not read it, so the rest was dropped
├── BadAsk             the request contradicts itself or the conversation
│   ├── EmptyMessage   no text in it
│   ├── MessageTooLong more than `limit` characters
│   ├── UnknownModel   no model of that name is configured
│   ├── NothingToCompare  there are fewer than two models
│   ├── StillRunning   the reply it builds on is still being written
│   └── KeyTaken       this client key was used for another request
└── MessageBlocked     the input review rejected it
"""

from __future__ import annotations

from backends._plurals import filled
from backends.errors import BackendError, ExplainedError
from webchat.moderation.verdicts import PROFILE_MISSING
from webchat.store.errors import StoreError
from webchat.store.records import Failure


class TurnError(ExplainedError):
    """Base of all errors of `Turns.start`."""

    code = "turn_error"
    status = 400


class NotAccepting(TurnError):
    """The server is shutting down and takes no new messages."""

    code = "not_accepting"
    status = 503
    message = "The server is restarting."
    cure = "Send the message again in a moment."


class TurnLimit(TurnError):
    """Too many replies are running or waiting; each subclass says whose.

    text: the message, with `{limit}` where the number goes.
    """

    code = "too_many_turns"
    status = 429
    cure = "Your message is saved. Send it again in a moment."
    text: str

    def __init__(self, limit: int) -> None:
        super().__init__(filled(self.text, {"limit": limit}), params={"limit": limit})


class TooManyTurns(TurnLimit):
    """This owner has reached the limit of replies running or in the queue."""

    text = "Only {limit} of your replies can run or wait at once."
    cure = "Wait until one has finished, or stop one."


class TooManyTurnsOfLink(TurnLimit):
    """The visitors of one link have reached the limit of replies running or in the queue."""

    code = "link_busy"
    text = (
        "Your link already has {limit} {limit:reply|replies} running or waiting, the most one link can have."
    )


class TooManyTurnsOfNetwork(TurnLimit):
    """The visitors of one network have reached the limit of replies running or in the queue."""

    code = "network_busy"
    text = (
        "Your network already has {limit} {limit:reply|replies} running or waiting, the most one network can"
        " have."
    )


class ServerBusy(TurnError):
    """The server has reached its total limit of replies running or in the queue."""

    code = "server_busy"
    status = 503
    message = "The queue is full."
    cure = "Your message is saved. Send it again in a moment."


class ServerFull(TurnError):
    """The server has only left what running replies need."""


class DiskFull(ServerFull):
    """The server's disk has only the space left that running replies need."""

    code = "disk_full"
    status = 507
    message = "The server's disk is almost full, so it takes no new messages."
    cure = "Your message is saved. Contact the administrator, then send it again."


class MemoryFull(ServerFull):
    """The server has only the memory left that running replies need."""

    code = "memory_full"
    status = 503
    message = "The server's memory is almost full, so it takes no new messages."
    cure = "Your message is saved. Send it again in a moment."


class SlowReader(TurnError):
    """Raised to whoever follows a reply, not to whoever asks."""

    code = "slow_reader"
    status = 408
    message = "The stream wasn't read in time, so the rest of the reply was dropped."
    cure = "Read the stream without long pauses, or ask without streaming."


class BadAsk(TurnError):
    """The request contradicts itself or the conversation."""

    code = "bad_ask"


class EmptyMessage(BadAsk):
    """A message without text."""

    code = "empty_message"
    message = "The message is empty."
    cure = "Write something first."


class MessageTooLong(BadAsk):
    """More characters than a message may have."""

    code = "message_too_long"
    status = 413
    cure = "Shorten it or send it in parts."

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(
            f"The message has {length} characters; {limit} are allowed.",
            params={"length": length, "limit": limit},
        )


class UnknownModel(BadAsk):
    """No model of that name is configured."""

    code = "unknown_model"
    cure = "Choose another model."

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no model named {name!r}.", params={"model": name})


class NothingToCompare(BadAsk):
    """A comparison where fewer than two models are offered."""

    code = "nothing_to_compare"
    status = 409
    message = "There are no two models to compare."
    cure = "Send the message without comparing."


class StillRunning(BadAsk):
    """The reply this request builds on is still being written."""

    code = "still_running"
    status = 409
    message = "That reply is still being written."
    cure = "Wait until it has finished, or stop it."


class KeyTaken(BadAsk):
    """A different request was made with this client key."""

    code = "key_taken"
    status = 409
    message = "This message was already sent with different text."
    cure = "Check what was sent; send the new text as a new message."

    def __init__(self, conversation_id: str, message_id: str) -> None:
        super().__init__(params={"conversation_id": conversation_id, "message_id": message_id})


class MessageBlocked(TurnError):
    """The input review refused the message; `message` is the public sentence of the rule."""

    code = "message_blocked"
    status = 422


class ProfileMissing(TurnError):
    """The link's moderation profile is not in the rules file."""

    code = "link_profile_missing"
    status = 503
    message = PROFILE_MISSING.sentence
    cure = PROFILE_MISSING.cure


def failure_of(error: BackendError | StoreError) -> Failure:
    """An error of the lower layers as a failure, with all its details."""
    retryable = isinstance(error, BackendError) and error.retryable
    return Failure(error.code, error.message, error.cure, dict(error.params), retryable)
