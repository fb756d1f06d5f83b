"""The events of a reply, from the lines of its stream."""

from __future__ import annotations

from dataclasses import dataclass, field

from webchat.api.wire.turns import Delta, Done, Status

Event = Status | Delta | Done

_KINDS: dict[str, type[Status] | type[Delta] | type[Done]] = {"status": Status, "delta": Delta, "done": Done}


@dataclass(slots=True)
class Reading:
    """How far a reply was read. seq: of the last piece; a stream goes on behind it."""

    message_id: str
    seq: int = 0
    _name: str = ""
    _data: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"/api/messages/{self.message_id}/events"

    def begin(self) -> None:
        """A new connection: what the last one left unfinished comes again."""
        self._name, self._data = "", []

    def line(self, text: str) -> Event | None:
        """The event that a line completes; `None` if it completes none, or one that was read before."""
        if text:
            name, _, value = text.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                self._name = value
            elif name == "data":
                self._data.append(value)
            return None
        kind, data = _KINDS.get(self._name), "\n".join(self._data)
        self.begin()
        if kind is None:
            return None
        event: Event = kind.model_validate_json(data, extra="ignore")
        if isinstance(event, Delta):
            if event.seq <= self.seq:
                return None
            self.seq = event.seq
        return event
