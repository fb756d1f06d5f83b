"""Two replies side by side, and the vote on them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from webchat.api.wire.base import Answer, Body
from webchat.api.wire.conversations import Settings
from webchat.api.wire.messages import Message
from webchat.store import judgement_records
from webchat.store.judgement_records import Preferred
from webchat.store.records import Message as StoredMessage
from webchat.store.records import Owner

COMMENT_CHARS = 4000


class Side(Answer):
    """good: what was thought of it by itself. settings: what it was made with, once the comparison is closed;
    testers are not told."""

    message: Message
    good: bool | None
    settings: Settings | None


class Comparison(Answer):
    """state: `open` until its person votes or goes on without a vote (`skipped`). preferred: `null` without a
    vote."""

    id: str
    conversation_id: str
    state: Literal["open", "voted", "skipped"]
    left: Side
    right: Side
    preferred: Preferred | None
    comment: str

    @classmethod
    def told(
        cls,
        found: judgement_records.Comparison,
        left: StoredMessage,
        right: StoredMessage,
        reader: Owner,
    ) -> Self:
        closed = "skipped" if found.voted_at is None else "voted"
        told = found.closed_at is not None and reader.kind != "guest"
        return cls.of(
            {
                "id": found.id,
                "conversation_id": found.conversation_id,
                "state": "open" if found.closed_at is None else closed,
                "left": _side(left, found.left, told),
                "right": _side(right, found.right, told),
                "preferred": found.preferred,
                "comment": found.comment,
            },
            reader,
        )


def _side(message: StoredMessage, side: judgement_records.Side, told: bool) -> dict[str, object]:
    return {"message": message, "good": side.good, "settings": side.settings if told else None}


class VoteBody(Body):
    """preferred: which side is better. left_good, right_good: whether each is good by itself; `null` for no
    opinion. Two bad ones are a `tie` of sides that are not good."""

    preferred: Preferred
    left_good: bool | None = None
    right_good: bool | None = None
    comment: Annotated[str, Field(max_length=COMMENT_CHARS)] = ""


class GoOnBody(Body):
    side: Literal["left", "right"]
