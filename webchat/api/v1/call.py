"""One request of a program, whatever API it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backends.types import Message, Options, Sampling
from webchat.api.errors import ApiError


@dataclass(frozen=True, slots=True)
class Call:
    """path: the conversation without the system messages it begins with, whose text is `system`. logprobs: as
    in `backends.types.Request`. usage: whether a stream ends with counts of tokens. ignored: fields of the
    request that have no effect here. names: how this API calls the fields that a model may not take, where
    that is not how `Options` and `Sampling` do. echo: say the prompt before what follows it."""

    model: str | None
    path: tuple[Message, ...]
    system: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    options: Options = field(default_factory=Options)
    logprobs: int | None = None
    streams: bool = False
    usage: bool = False
    ignored: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    echo: bool = False

    def name(self, what: str) -> str:
        return self.names.get(what, what)


def refused(name: str, sentence: str, cure: str = "", status: int = 400) -> ApiError:
    """The request cannot be answered as it is meant because of one of its fields."""
    return ApiError(status, "unsupported_value", f"{name}: {sentence}", cure, {"field": name})


def split_system(messages: list[Message]) -> tuple[str | None, tuple[Message, ...]]:
    """The text of the system messages that a conversation begins with, and the rest of it."""
    first = next((at for at, message in enumerate(messages) if message.role != "system"), len(messages))
    text = "\n\n".join(message.text for message in messages[:first])
    return text or None, tuple(messages[first:])
