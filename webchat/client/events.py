"""The events of a reply, from the bytes of its stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import ValidationError

from webchat.api.wire.turns import Delta, Done, Status
from webchat.client.errors import InvalidEvent

Event = Status | Delta | Done

_KINDS: dict[str, type[Status] | type[Delta] | type[Done]] = {"status": Status, "delta": Delta, "done": Done}


def split_lines(data: bytes) -> tuple[list[str], bytes]:
    """The whole lines of a stream, and the bytes of the unfinished one. A line ends with LF or CRLF, never
    with the other characters that Unicode calls line ends: a model may write those."""
    *lines, rest = data.split(b"\n")
    return [line.removesuffix(b"\r").decode("utf-8", "replace") for line in lines], rest


@dataclass(slots=True)
class Reading:
    """How far a reply was read. seq: of the last piece; a stream goes on behind it."""

    message_id: str
    seq: int = 0
    _name: str = ""
    _data: list[str] = field(default_factory=list)
    _rest: bytes = b""

    @property
    def path(self) -> str:
        return f"/api/messages/{self.message_id}/events"

    def begin(self) -> None:
        """A new connection: what the last one left unfinished comes again."""
        self._name, self._data, self._rest = "", [], b""

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that more bytes of the stream complete. Raises `InvalidEvent`."""
        lines, self._rest = split_lines(self._rest + data)
        for line in lines:
            if (event := self.line(line)) is not None:
                yield event

    def line(self, text: str) -> Event | None:
        """The event that a line completes; `None` if it completes none, or one that was read before. Raises
        `InvalidEvent`."""
        if text:
            name, _, value = text.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                self._name = value
            elif name == "data":
                self._data.append(value)
            return None
        kind, data = _KINDS.get(self._name), "\n".join(self._data)
        self._name, self._data = "", []
        if kind is None:
            return None
        try:
            event: Event = kind.model_validate_json(data, extra="ignore")
        except ValidationError as error:
            raise InvalidEvent("The server sent an event that this client can't read.") from error
        if isinstance(event, Delta):
            if event.seq <= self.seq:
                return None
            self.seq = event.seq
        return event
