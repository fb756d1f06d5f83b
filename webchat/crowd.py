"""Limits the number of connections and how long a client may take to send the rest of a request.

A connection owes the head of a request, then its body, then nothing; after the response it may stay for the
next request. Only heads and bodies are timed here, never a response, however long. When a limit is reached,
the connections that have waited for their next request the longest are closed, then those that have owed the
longest. If that is not enough, a new connection is admitted as `full`: it can learn only that the server is
full, or read its health.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

log = logging.getLogger(__name__)

MOST = 4096
OWN_FILES = 64
"""Of the database, the event loop, the log: a server without guests has 22 open."""

USUAL = 20
"""Browsers open connections in advance and abandon them: this many per minute are normal."""

Owing = Literal["next", "head", "body"]
Owed = Owing | Literal[""]
Event = Literal["head", "body", "unread", "idle", "room", "bytes", "refused", "full", "invalid"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a server.

    at_once: connections served; from_one: from one address; spare: additional connections that only learn
    that the server is full, or its health. half_read: bytes of incomplete bodies, half of them from one
    address; unread: bytes of responses that clients do not read. A client has `head_seconds` for a head, and
    `body_seconds` for a body plus one second per `body_rate` bytes (the defaults of Apache's mod_reqtimeout);
    a response may stay unread for `unread_seconds`. report_seconds: between two lines in the log.
    """

    at_once: int
    from_one: int
    spare: int = 32
    half_read: int = 64_000_000
    unread: int = 256_000_000
    head_seconds: float = 20.0
    body_seconds: float = 20.0
    body_rate: float = 500.0
    unread_seconds: float = 300.0
    report_seconds: float = 60.0


def limits_for(files: int, *, replies: int, body_bytes: int) -> Limits:
    """files: how many this process may have open; replies: how many may run, each with a connection to an
    endpoint; body_bytes: maximum size of a request."""
    spare = min(32, files // 8)
    at_once = min(MOST, max(files - OWN_FILES - replies - spare, files // 4))
    return Limits(at_once, max(1, at_once // 2), spare, half_read=max(64_000_000, 4 * body_bytes))


class Wire(Protocol):
    """The parts of a connection's transport that are used here."""

    def abort(self) -> None: ...

    def get_write_buffer_size(self) -> int: ...


@dataclass(slots=True, eq=False)
class Group:
    """Connections that share a limit. owing: by what they owe, in the order in which they make room, and each
    in the order in which they began to."""

    most: int
    most_bytes: int
    count: int = 0
    half_read: int = 0
    owing: dict[Owing, OrderedDict[Member, None]] = field(
        default_factory=lambda: {owed: OrderedDict() for owed in get_args(Owing)}
    )


@dataclass(slots=True, eq=False)
class Member:
    """A connection. full: it was admitted only to learn that the server is full. held: bytes of an incomplete
    body."""

    wire: Wire
    address: str
    held_up: Callable[[], bool]
    groups: tuple[Group, ...] = ()
    full: bool = False
    owed: Owed = ""
    request: object = None
    since: float = 0.0
    held: int = 0
    unread: int = 0
    taken: float = 0.0


class Crowd:
    """All connections of a server. Runs on the event loop only.

    shared: whether an address may stand for any number of people (as a proxy's does), so that only the total
    limit applies to it.
    """

    def __init__(
        self,
        limits: Limits,
        shared: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self._shared = shared
        self._clock = clock
        self._members: dict[Member, None] = {}
        self._all = Group(limits.at_once, limits.half_read)
        self._spare = Group(limits.spare, limits.half_read)
        self._by_address: dict[str, Group] = {}
        self._counts: Counter[Event] = Counter()
        self._addresses: Counter[str] = Counter()
        self._counting_since: float | None = None

    def __len__(self) -> int:
        return len(self._members)

    def join(self, wire: Wire, address: str, held_up: Callable[[], bool] = lambda: False) -> Member:
        """Add a new connection, which owes a head. held_up: whether the server is what keeps it waiting."""
        member = Member(wire, address, held_up, taken=self._clock())
        self._members[member] = None
        groups = [self._all]
        if not self._shared(address):
            # First: who must make room for a neighbour leaves one more place for all.
            near = Group(self.limits.from_one, self.limits.half_read // 2)
            groups.insert(0, self._by_address.get(address, near))
        if all(self._has_room(group) for group in groups):
            if len(groups) == 2:
                self._by_address[address] = groups[0]
        else:
            groups, member.full = [self._spare], True
            self.note(member, "full")
        has_room = not member.full or self._has_room(self._spare)
        member.groups = tuple(groups)
        for group in groups:
            group.count += 1
        self.owes(member, "head", None)
        if not has_room:
            self.end(member, "refused")
        return member

    def leave(self, member: Member) -> None:
        """Remove a closed connection. Idempotent."""
        if member not in self._members:
            return
        del self._members[member]
        self._move(member, "")
        for group in member.groups:
            group.count -= 1
            if not group.count and self._by_address.get(member.address) is group:
                del self._by_address[member.address]

    def owes(self, member: Member, owed: Owed, request: object, size: int = 0) -> None:
        """Record what a connection owes now, for which request, and how many bytes of a body have just
        arrived."""
        if member not in self._members:
            return
        if owed != member.owed or request is not member.request:
            self._move(member, owed)
            member.request, member.since = request, self._clock()
        if owed != "body":
            return
        member.held += size
        for group in member.groups:
            group.half_read += size
        for group in member.groups:
            while group.half_read > group.most_bytes and group.owing["body"]:
                self.end(next(iter(group.owing["body"])), "bytes")

    def note(self, member: Member, event: Event) -> None:
        """Count an event for the log."""
        if self._counting_since is None:
            self._counting_since = self._clock()
        self._counts[event] += 1
        if len(self._addresses) < 1000 or member.address in self._addresses:
            self._addresses[member.address] += 1

    def end(self, member: Member, event: Event) -> None:
        """Close a connection at once, discarding anything it has not read."""
        if member not in self._members:
            return
        self.leave(member)
        self.note(member, event)
        member.wire.abort()

    def sweep(self) -> None:
        """Close connections that have owed for too long; call it about once a second."""
        now, limits = self._clock(), self.limits
        for group in (self._all, self._spare):
            while (member := self._oldest(group.owing["head"])) and now - member.since > limits.head_seconds:
                self.end(member, "head")
            for member in list(group.owing["body"]):
                if member.held_up():
                    member.since = now
                elif now - member.since > limits.body_seconds + member.held / limits.body_rate:
                    self.end(member, "body")
        self._sweep_unread(now)
        if self._counting_since is not None and now - self._counting_since >= limits.report_seconds:
            self._report()

    def _sweep_unread(self, now: float) -> None:
        total = 0
        for member in list(self._members):
            unread = member.wire.get_write_buffer_size()
            if unread == 0 or unread < member.unread:
                member.taken = now
            member.unread = unread
            total += unread
            if now - member.taken > self.limits.unread_seconds:
                self.end(member, "unread")
        if total > self.limits.unread:
            for member in sorted(self._members, key=lambda member: member.unread, reverse=True):
                total -= member.unread
                self.end(member, "unread")
                if total <= self.limits.unread:
                    break

    def _has_room(self, group: Group) -> bool:
        if group.count < group.most:
            return True
        for owing in group.owing.values():
            if oldest := self._oldest(owing):
                self.end(oldest, "idle" if oldest.owed == "next" else "room")
                return True
        return False

    def _oldest(self, owing: OrderedDict[Member, None]) -> Member | None:
        """The connection that has owed the longest. Those still reading an earlier response start over."""
        for _ in range(len(owing)):
            member = next(iter(owing))
            if not member.wire.get_write_buffer_size():
                return member
            member.since = self._clock()
            for group in member.groups:
                if member.owed:
                    group.owing[member.owed].move_to_end(member)
        return None

    def _move(self, member: Member, owed: Owed) -> None:
        for group in member.groups:
            if member.owed:
                group.owing[member.owed].pop(member, None)
            group.half_read -= member.held
            if owed:
                group.owing[owed][member] = None
        member.owed, member.held = owed, 0

    def _report(self) -> None:
        """Log one line about everything since the last one."""
        limits, counts = self.limits, self._counts
        told: dict[Event, str] = {
            "head": f"sent no complete request within {limits.head_seconds:g} s",
            "body": "sent the body of a request too slowly",
            "unread": "did not read the response",
            "idle": "were closed between two requests, to make room",
            "room": "were closed before their request was complete, to make room",
            "bytes": f"made room with half a body, since {limits.half_read // 1_000_000} MB are kept at most",
            "full": "were turned away because the server was full",
            "refused": "were closed without an answer",
            "invalid": "sent no valid request",
        }
        parts = "; ".join(f"{counts[event]} {words}" for event, words in told.items() if counts[event])
        address, most = self._addresses.most_common(1)[0]
        quiet = counts.keys() <= {"head"} and counts["head"] < USUAL
        log.log(
            logging.DEBUG if quiet else logging.WARNING,
            "connections of the last %.0f s: %s; most from %s (%d). At once: %d, %d from one address",
            self._clock() - (self._counting_since or 0),
            parts,
            address,
            most,
            limits.at_once,
            limits.from_one,
        )
        counts.clear()
        self._addresses.clear()
        self._counting_since = None
