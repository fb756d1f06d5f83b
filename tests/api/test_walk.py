"""A walk over every route, ours and Gradio's, with odd requests: no answer is a 500, none is worth more than
one line of the log, looking makes nobody.

In one process and as bytes, since no client library would send most of it. A route with a body and no row in
`BODIES` fails.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Site
from tests.asgi import Answer, Ask, Headers, Whole, logged, whole
from tests.auth.test_real_app import paths
from webchat.api.routes import TABLE
from webchat.sharing import new_link
from webchat.store.records import Owner

METHODS = (
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get",
    "\xff",
)  # fmt: skip

PIECES = (
    b"%00", b"%0a", b"%0d%0aX:1", b"%ff", b"%c0%ae", b"a" * 5000, b"x" * 300, b".", b"..", b"%2e%2e", b"//",
    b";x", b"%2f", b"%5c", b"%", b"%zz", b"%F0%9F%92%A5", b"%ED%A0%80", b"%25%30%30", b"~", b"*", b"%20",
)  # fmt: skip
"""In place of an id, behind the path, and below it."""

_HUGE = b"9" * 400
QUERIES = (
    b"page=zzz", b"page=%00", b"deep_link=../x", b"__theme=zzz", b"=&=&&;", b"%" * 50, b"\xff=\xff",
    b"a[]=1&a[b]=2", b"limit=-1", b"limit=0", b"limit=" + _HUGE, b"limit=%D9%A1", b"limit=1e3",
    b"limit=&limit=1&limit=2", b"limit=NaN", b"cursor=zzz", b"cursor=eyJhIjoxfQ", b"cursor=W10",
    b"cursor=bnVsbA", b"cursor=WzEsMl0", b"cursor=%ff", b"cursor=%00", b"cursor=" + b"A" * 999,
    b"cursor=WyJcdWQ4MDAiLCJcdTAwMDAiXQ", b"cursor=W05hTiwxZTk5OV0", b"cursor=" + b"W" * 900, b"before=zzz",
    b"before=00000000-0000-7000-8000-000000000000", b"before=%00", b"archived=2", b"archived=%00", b"q=%00",
    b"q=%22%22", b"q=%ED%A0%80", b"q=*&limit=1", b"q=" + b"%22" * 200, b"q=a+AND+NOT", b"q=%F0%9F%92%A5",
    b"q=-", b"q=" + b"x+" * 240, b"from=-1", b"from=1e9", b"from=" + _HUGE, b"from=%D9%A1", b"reply=zz",
    b"reply=a:99999999999", b"reply=" + b"a:1&reply=" * 300 + b"a:1", b"wait=zz", b"wait=0&reply=%00:1",
    b"format=zzz", b"format=&format=json", b"language=zz", b"language=%00", b"version=zz", b"version=0",
    b"version=" + _HUGE, b"version=9223372036854775807", b"since=zz", b"since=0001-01-01",
    b"since=9999-12-31T23:59:59%2B14:00", b"until=9999999999999999", b"days=-1", b"days=999999999999",
    b"day=2024-13-45", b"action=zz", b"rule=%00", b"stage=zz", b"zone=%00", b"tz=Etc/../x",
)  # fmt: skip

HEADERS: tuple[Headers, ...] = (
    ((b"range", b"bytes=0-"),),
    ((b"range", b"bytes=9-1,a"),),
    ((b"range", b"bytes=" + b",".join([b"0-1"] * 3000)),),
    ((b"range", b"bytes=0-1"), (b"if-range", b"zz")),
    ((b"if-none-match", b'\xff"'),),
    ((b"if-modified-since", b"zzz"),),
    ((b"accept-language", b"zh," * 20000), (b"accept", b"text/html")),
    ((b"accept-language", b"\xff\xfe"), (b"accept", b"text/html")),
    ((b"last-event-id", b"-1"),),
    ((b"last-event-id", b"\xff"),),
    ((b"last-event-id", _HUGE),),
    ((b"last-event-id", "²".encode("latin-1")),),
    ((b"accept-encoding", b"br;q=\xff, gzip;q=zz"),),
    ((b"cookie", b"\xff=\x01;;;=; webchat_owner=\xff; webchat_lang=\xff"), (b"accept", b"text/html")),
    ((b"cookie", b"webchat_owner=" + b"a." * 2000),),
    ((b"origin", b"null"),),
    ((b"origin", b"http://[::1"),),
    ((b"origin", b"\xff"),),
    ((b"sec-fetch-site", b"\xff"),),
    ((b"referer", b"\xff"),),
    ((b"authorization", b"Basic \xff"),),
    ((b"expect", b"100-continue"),),
    ((b"transfer-encoding", b"chunked"),),
    ((b"content-length", "²".encode("latin-1")),),
    ((b"content-length", b"-5"),),
    ((b"content-length", _HUGE),),
    ((b"x-forwarded-host", b"e v/il"), (b"accept", b"text/html")),
    ((b"x-forwarded-host", b"[::1"), (b"accept", b"text/html")),
    ((b"x-forwarded-proto", b"zzz"), (b"x-forwarded-for", b"zz, \xff")),
    ((b"forwarded", b'for="[::1'),),
    ((b"x-gradio-server", b"http://[::1"), (b"accept", b"text/html")),
    ((b"host", b"[::1"), (b"accept", b"text/html")),
    ((b"host", b"\xff:zz"), (b"accept", b"text/html")),
    ((b"access-control-request-method", b"POST"),),
)

_JSON: Headers = ((b"content-type", b"application/json"),)
BODY_HEADERS: tuple[Headers, ...] = (
    (),
    ((b"content-type", b"application/json"), (b"content-type", b"text/plain")),
    ((b"content-type", b"application/json; charset=zzz"),),
    ((b"content-type", b"multipart/form-data"),),
    ((b"content-type", b"multipart/form-data; boundary=\xff"),),
    ((b"content-type", b"application/x-www-form-urlencoded"),),
    ((b"content-type", b"\xff"),),
    ((b"content-type", b"application/json"), (b"content-encoding", b"gzip")),
)

DEEP = 3900
"""Of a nesting that fits in the smallest body; where more is taken, more is sent."""

RAW = (
    b"", b"{", b"null", b"[]", b"1e999", b"NaN", b'"\\ud800"', b"\xff\xfe", b"\xef\xbb\xbf{}", b"{}{}",
    b"{\"a\":1,}", b'{"text":"a","text":[]}', b'{"__proto__":{}}', b"[" * DEEP, b'{"a":' * 700, b"9" * DEEP,
    b"-", b'{"\\u0000":1}', b"\x1f\x8b\x08", b"--x\r\nContent-Disposition: form-data\r\n\r\n",
)  # fmt: skip

VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**30, 0.5, 1e308, float("nan"),
    float("inf"), float("-inf"), "", " ", "\x00", "\ud800", "\udc00\ud800", "a\ud83d", "💥", "a" * 70,
    "a" * 70_000, "' OR 1=1 --", "%s{0}", "\u202e", "\r\n", "0001-01-01", "{{ x }}", "{% for", [], {},
    [[[[[]]]]], ["\ud800"], {"\ud800": "\x00"}, {"a": {"b": [1]}},
)  # fmt: skip
"""In place of every field, one at a time."""

SAMPLING = {
    "temperature": 0.5, "top_p": 0.5, "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "max_tokens": 50,
    "seed": 1, "stop": ["x"],
}  # fmt: skip
VARIABLES = [
    {"name": "who", "label": "Who", "type": "text", "default": "you", "required": False,
     "choices": [], "hint": "h"},
    {"name": "n", "label": "N", "type": "number", "default": 1},
    {"name": "day", "label": "D", "type": "date", "default": "2026-01-01"},
    {"name": "one", "label": "O", "type": "choice", "default": "a", "choices": ["a", "b"]},
]  # fmt: skip
CONTENT = {
    "name": "Greeter", "description": "d", "system": "You greet {{ who }}.",
    "user": "Hi {{ who }} {{ n }} {{ day }} {{ one }}", "variables": VARIABLES, "sampling": SAMPLING,
    "model": "Echo",
}  # fmt: skip
VALUES_OF = {"who": "me", "n": 2, "day": "2026-01-01", "one": "b"}
TEMPLATE = {"id": "$template", "version": 1, "name": "Greeter"}
PERSONA = {**TEMPLATE, "values": VALUES_OF}
SETTINGS = {"model": "Echo", "system_prompt": "Be brief.", "sampling": SAMPLING, "persona": PERSONA}
TURN = {
    "owner": None,
    "kind": "send",
    "client_key": "$key",
    "text": "Hi",
    "model": "Echo",
    "settings": SETTINGS,
}

TERMS = {
    "models": ["Echo"], "blind": True, "template": None, "title": "Test", "opening": "Hi",
    "instructions": "*Hi*", "language": "en", "people": 10, "conversations": 5, "messages": 20,
    "replies_at_once": 2, "asks": ["thumbs"], "reasons": ["too long"], "consent": "I agree.",
    "training": True, "inspect": False,
    "system_prompt": False, "retention_days": 30, "tokens": 1000,
    "questions": [{"id": "q1", "text": "How?", "kind": "choice", "choices": ["a", "b"]}],
}  # fmt: skip

BODIES: dict[tuple[str, str], Sequence[Any]] = {
    ("POST", "/api/models/retry"): [{"name": "Echo"}],
    ("POST", "/api/conversations/take-over"): [{"giver": "$giver"}],
    ("PATCH", "/api/conversations/{id}"): [
        {"title": "New", "pinned": True, "archived": False, "settings": SETTINGS}
    ],
    ("POST", "/api/turns"): [
        {**TURN, "conversation_id": "$conversation", "parent_id": "$reply", "template": TEMPLATE},
        {"kind": "edit", "client_key": "$key", "message_id": "$user", "text": "Hello"},
        {"kind": "regenerate", "client_key": "$key", "message_id": "$reply"},
        {"kind": "continue", "client_key": "$key", "message_id": "$reply"},
        {"kind": "send", "client_key": "$key", "text": "Hi", "against": {"model": "Echo", "settings": {}}},
    ],
    ("POST", "/api/comparisons/{id}/vote"): [
        {"preferred": "tie", "left_good": False, "right_good": None, "comment": "No"}
    ],
    ("POST", "/api/comparisons/{id}/continue"): [{"side": "left"}],
    ("POST", "/api/messages/{id}/edit"): [{"text": "Better"}],
    ("PUT", "/api/messages/{id}/rating"): [{"value": 1}],
    ("PUT", "/api/messages/{id}/judgement"): [
        {"rating": -1, "reasons": ["other"], "comment": "So", "better": "Better", "seq": 1}
    ],
    ("POST", "/api/judgements/review"): [
        {
            "shown": [{"id": "$reply", "changed_at": "2026-01-01T00:00:00Z"}],
            "state": "edited",
            "better": "Better",
        }
    ],
    ("POST", "/api/queues"): [
        {
            "name": "First",
            "kind": "replies",
            "wanted": {"model": "Echo", "since": "2026-01-01T00:00:00Z", "judged": "bad"},
            "reviews": 2,
            "reviewers": [],
        }
    ],
    ("PUT", "/api/reviews/{id}"): [{"verdict": "edit", "better": "Better", "comment": "So"}],
    ("POST", "/api/imports"): [{"name": "export.zip", "size": 5}],
    ("PUT", "/api/imports/{id}/data"): [{}],  # its bytes: tests/api/test_imports.py
    ("POST", "/api/imports/{id}/start"): [{"on_bad": "skip"}],
    ("PUT", "/api/me/training"): [{"trains": True}],
    ("POST", "/api/me/keys"): [
        {"name": "ci", "expires": "7d", "terms": {"scopes": ["read"], "models": ["Echo"], "stored": False,
         "requests_per_minute": 60, "tokens_per_day": 1000, "at_once": 2}},
    ],
    ("POST", "/api/moderation/try"): [
        {"stage": "input", "text": "Hi", "rules": "[[rules]]"},
        {"stage": "output", "last": 5},
    ],
    ("POST", "/api/templates"): [{"content": CONTENT, "scope": "personal", "note": "n"}],
    ("PUT", "/api/templates/{id}"): [{"content": CONTENT, "based_on": 1, "scope": "personal", "note": "n"}],
    ("POST", "/api/templates/render"): [
        {"content": CONTENT, "values": VALUES_OF},
        {"id": "$template", "version": 1, "values": VALUES_OF},
    ],
    ("POST", "/api/templates/import"): [{"text": "webchat_template: 1\nname: In\nuser: Hi\n"}],
    ("POST", "/api/templates/{id}/duplicate"): [{"name": "Copy"}],
    ("PUT", "/api/chat-templates/{model:path}"): [{"text": "{{ x }}", "note": "n", "based_on": 0}],
    ("POST", "/api/chat-templates/{model:path}/preview"): [
        {"text": "{{ messages }}", "messages": [{"role": "user", "content": "Hi"}]}
    ],
    ("POST", "/api/links"): [{"name": "testers", "expires": "7d", "terms": TERMS}],
    ("PATCH", "/api/links/{id}"): [{"name": "testers", "expires": "7d", "paused": False, "terms": TERMS}],
    ("POST", "/api/links/{id}/duplicate"): [{"name": "again"}],
    ("POST", "/api/consent"): [{"version": 1}],
    ("POST", "/api/answers"): [{"answers": {"q1": "a"}}],
    ("POST", "/api/handover/redeem"): [{"code": "23456-23456", "confirmed": True}],
    ("POST", "/api/shares"): [
        {"conversation_id": "$conversation", "messages": ["$user", "$reply"], "reasoning": True,
         "models": True, "masked": True, "days": 7, "password": "open sesame", "allow_copy": True,
         "preview": True},
    ],
    ("PATCH", "/api/shares/{id}"): [{"days": 7, "password": "open sesame", "allow_copy": True}],
    ("POST", "/api/shares/{id}/copy"): [{"password": "open sesame"}],
    ("POST", "/s/{id}"): [{"password": "x"}],
    ("PATCH", "/api/me"): [{"name": "Ada"}],
    ("PUT", "/api/me/password"): [{"current": "x", "new": "y"}],
    ("POST", "/sign-in/password"): [{"name": "ada", "password": "x"}],
    ("POST", "/t/redeem"): [{"token": "wt1_wrong", "confirmed": True}],
    ("POST", "/t/switch"): [{"id": "$owner"}],
}  # fmt: skip
NO_BODY = {
    ("POST", "/api/links/{id}/revoke"),
    ("POST", "/api/handover"),
    ("POST", "/api/sign-out"),
    ("POST", "/api/conversations/{id}/restore"),
    ("POST", "/api/messages/{id}/activate"),
    ("POST", "/api/messages/{id}/restore"),
    ("POST", "/api/messages/{id}/stop"),
    ("POST", "/api/queues/{id}/next"),
    ("POST", "/api/templates/{id}/restore"),
}
OTHERS = (
    "/", "/t", "/assets/x", "/static/js/x.js", "/theme.css", "/config", "/gradio_api/queue/join",
    "/gradio_api/queue/data", "/gradio_api/file=x", "/gradio_api/heartbeat/x", "/favicon.ico",
    "/nothing/here",
)  # fmt: skip
"""Beside our own routes, which odd paths, queries and headers are tried on; all others are asked plainly."""

ROUTES = tuple((row.method, row.path) for _, rows in TABLE for row in rows)


def test_every_route_with_a_body_has_a_row() -> None:
    taking = {route for route in ROUTES if route[0] in ("POST", "PUT", "PATCH")}
    assert taking == BODIES.keys() | NO_BODY


@dataclass
class Walk:
    """Sends as somebody and remembers what should not have been."""

    site: Whole
    owner: Owner | None
    log: list[Any]
    asked: int = 0
    wrong: tuple[str, ...] = ()
    ids: dict[str, str] | None = None

    async def send(self, ask: Ask, *, lines: int = 1) -> Answer:
        self.log.clear()
        self.asked += 1
        answer = await self.site.send(ask, self.owner)
        said = [record.getMessage() for record in self.log]
        faults = [
            "a 500" if not 200 <= answer.status < 500 else "",
            f"raised {answer.raised!r}" if answer.raised is not None else "",
            f"{len(said)} lines" if len(said) > lines else "",
            "a trace" if any(record.exc_info for record in self.log) else "",
            "a line of more than one" if any("\n" in line for line in said) else "",
        ]
        if any(faults):
            whose = "nobody" if self.owner is None else self.owner.kind
            shown = f"{ask.method} {ask.target[:90]!r} {ask.headers!r:.90} {ask.body[:90]!r} as {whose}"
            what = "; ".join(filter(None, faults))
            self.wrong += (f"{shown}: {answer.status} {what} {said!r:.300}",)
        return answer

    async def begin(self) -> None:
        """Something of one's own to walk over."""
        turn = {"kind": "send", "client_key": f"begin-{self.asked}", "text": "Hello there"}
        begun = await self._json("POST", b"/api/turns", turn)
        made = await self._json("POST", b"/api/templates", {"content": CONTENT})
        sharing = {"conversation_id": begun["conversation"]["id"], "messages": [begun["user"]["id"]]}
        self.ids = {
            "$conversation": begun["conversation"]["id"],
            "$user": begun["user"]["id"],
            "$reply": begun["reply"]["id"],
            "$template": made["id"],
            "$owner": "" if self.owner is None else self.owner.id,
            # Testers share nothing.
            "$share": "x" * 32
            if self.owner is not None and self.owner.kind == "guest"
            else (await self._json("POST", b"/api/shares", sharing))["id"],
            "$giver": self.site.app.store.local_owner().id,
        }
        reply = b"/api/messages/" + begun["reply"]["id"].encode()
        while (await self._json("GET", reply))["message"]["state"] in ("queued", "streaming"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def _json(self, method: str, path: bytes, body: Any = None) -> Any:
        answer = await self.send(Ask(method, path, _JSON, json.dumps(body).encode()))
        assert answer.status < 300, answer.text
        return json.loads(answer.body)

    def path(self, route: str) -> bytes:
        """With the ids of what is one's own, where there is something."""
        ids = self.ids or {}
        of = (
            "$reply"
            if "/messages/" in route
            else "$template"
            if "/api/templates" in route
            else "$share"
            if route.startswith(("/api/shares", "/s/"))
            else "$conversation"
        )
        return route.replace("{id}", ids.get(of, "x")).replace("{model:path}", "Echo").encode()

    def filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.filled(inner) for inner in value]
        if value == "$key":
            return f"key-{self.asked}"
        return (self.ids or {}).get(value, value) if isinstance(value, str) else value


def changed(body: Any) -> Iterator[Any]:
    """The body with each field, one at a time, left out, and being each of the odd values."""
    places = list(_places(body))
    for place in places:
        yield _with(body, place, None, out=True)
        for value in VALUES:
            yield _with(body, place, value)


def _places(value: Any) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield (key,)
        for place in _places(below):
            yield (key, *place)


def _with(body: Any, place: tuple[Any, ...], value: Any, *, out: bool = False) -> Any:
    copy = dict(body) if isinstance(body, dict) else list(body)
    if len(place) > 1:
        copy[place[0]] = _with(copy[place[0]], place[1:], value, out=out)
    elif out:
        del copy[place[0]]
    else:
        copy[place[0]] = value
    return copy


def odd_asks(walk: Walk, paths: Sequence[str]) -> Iterator[Ask]:
    """Odd paths, queries and headers, for each path that is known."""
    page: Headers = ((b"accept", b"text/html"),)
    for path in paths:
        base = walk.path(path)
        for piece in PIECES:
            for target in (base + piece, base + b"/" + piece, base.rpartition(b"/")[0] + b"/" + piece):
                yield Ask("GET", target)
                yield Ask("GET", target, page)
            yield Ask("POST", base + piece, _JSON, b"{}")
        for query in QUERIES:
            yield Ask("GET", base + b"?" + query)
        for headers in HEADERS:
            yield Ask("GET", base, headers)
            yield Ask("POST", base, (*headers, *_JSON), b"{}")


def odd_bodies(walk: Walk, routes: Sequence[tuple[str, str]]) -> Iterator[Ask]:
    for method, route in routes:
        path = walk.path(route)
        for headers in (_JSON, *BODY_HEADERS):
            for raw in RAW:
                yield Ask(method, path, headers, raw)
        for deep in (b"[" * 100_000, b'{"text":' * 100_000, b'{"text":' + b"9" * 100_000 + b"}"):
            yield Ask(method, path, _JSON, deep)
        for body in BODIES.get((method, route), ()):
            for odd in changed(body):
                yield Ask(method, path, _JSON, json.dumps(walk.filled(odd)).encode())
            whole = json.dumps(walk.filled(body))
            yield Ask(method, path, _JSON, whole.encode())
            yield Ask(method, path, _JSON, whole[:-1].encode() + b"," + whole[1:].encode())


def odd_methods(walk: Walk, paths: Sequence[str]) -> Iterator[Ask]:
    for path in paths:
        for method in METHODS:
            yield Ask(method, walk.path(path))


def known(site: Whole) -> list[str]:
    """Every path there is behind the door, Gradio's too."""
    return sorted({path for _, path in ROUTES} | set(paths(site.app)))


def thinned(asks: Iterator[Ask], share: float, chance: random.Random) -> Iterator[Ask]:
    return (ask for ask in asks if chance.random() < share)


async def over(walk: Walk, share: float) -> None:
    """The walk of one person. share: of all requests, the same at each run."""
    chance = random.Random("nobody" if walk.owner is None else walk.owner.kind)
    every = known(walk.site)
    near = sorted({path for _, path in ROUTES} | set(OTHERS))
    ours = [(method, path) for method, path in ROUTES if method in ("POST", "PUT", "PATCH")]
    if walk.owner is not None:
        await walk.begin()
    for asks in (odd_bodies(walk, ours), odd_asks(walk, near), odd_methods(walk, every)):
        for ask in thinned(asks, share, chance):
            await walk.send(ask)


def people(site: Whole, access: str) -> list[Owner | None]:
    store = site.app.store
    if access == "local":
        return [None]
    link = new_link(store, "testers", "7d", datetime.now(UTC)).link
    return [
        None,
        store.create_owner("guest", "testers", link.id),
        store.create_owner("visitor", "Ada"),
        store.create_owner("operator", "Op"),
    ]


@contextlib.contextmanager
def quiet(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing is printed past the log."""
    yield
    printed = "".join(capfd.readouterr())
    assert printed == ""


@pytest.mark.parametrize(
    ("access", "share"),
    [
        ("link", 0.04),
        ("local", 0.08),
        *(pytest.param(access, 1.0, marks=pytest.mark.slow) for access in ("link", "local", "open")),
    ],
)
async def test_no_request_gives_a_500_or_a_trace(
    tmp_path: Path, access: str, share: float, capfd: pytest.CaptureFixture[str]
) -> None:
    async with whole(tmp_path, access=access) as site:
        with logged() as log, quiet(capfd):
            for owner in people(site, access):
                walk = Walk(site, owner, log)
                if access == "local":
                    await walk.begin()
                await over(walk, share)
                assert walk.wrong == ()
                assert walk.asked > 300


def rows(database: Path) -> dict[str, int]:
    """How many there are of each thing in the database."""
    with contextlib.closing(sqlite3.connect(database)) as opened:
        names = [name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: opened.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


_MOMENT = "2026-01-01T00:00:00+00:00"
_KEYS: tuple[Any, ...] = (
    None, 5, [], {}, [True], [False, "x", "id"], [False, "2026-01-01", "id"], [1, _MOMENT, "id"],
    [False, _MOMENT, ""], [False, _MOMENT, 5], [False, _MOMENT, "\ud800"], [False, _MOMENT, "\x00"],
    [False, _MOMENT, "a" * 65], [False, "0001-01-01T00:00:00+14:00", "id"], [False, float("nan"), "id"],
    [False, "9999-12-31T23:59:59-14:00", "id"], [[[]]] * 20, [_MOMENT, "id"],
)  # fmt: skip
CURSORS = (
    *("zzz", "0x1", "-1", "9" * 40, "\u0663", "W10", "bnVsbA==", "\x00", "A" * 1001),
    *(base64.urlsafe_b64encode(json.dumps(key).encode()).decode() for key in _KEYS),
)


async def test_a_listing_goes_on_only_from_where_it_ended(site: Site) -> None:
    client = site.client(site.operating())
    begun = await site.send(client)
    paths = ["/api/conversations", "/api/trash", "/api/search?q=Hello", "/api/moderation/decisions"]
    for cursor in CURSORS:
        for path in paths:
            answer = await client.get(path, params={"q": "Hello", "cursor": cursor})
            assert answer.status_code == 400, (path, cursor, answer.text)
            assert answer.json()["error"]["params"] == {"field": "cursor"}
        before = {"before": cursor}
        answer = await client.get(f"/api/conversations/{begun['conversation']['id']}", params=before)
        assert answer.status_code in (400, 404)


async def test_looking_makes_nobody(tmp_path: Path) -> None:
    """An open server takes whoever comes; only a first message stores them."""
    html: Headers = ((b"accept", b"text/html"),)
    async with whole(tmp_path, access="open") as site:
        walk = Walk(site, None, [])
        before = rows(tmp_path / "webchat.db")
        come = await walk.send(Ask("GET", b"/", html))
        cookie = (b"cookie", come.header(b"set-cookie").partition(b";")[0])
        assert b"=" in cookie[1]
        for path in known(site):
            for method in ("GET", "HEAD", "OPTIONS"):
                for headers in ((), html, (cookie,), (*html, cookie)):
                    await walk.send(Ask(method, walk.path(path), headers))
        assert rows(tmp_path / "webchat.db") == before
        turn = {"kind": "send", "client_key": "k", "text": "Hello"}
        sent = await walk.send(Ask("POST", b"/api/turns", (*_JSON, cookie), json.dumps(turn).encode()))
        assert sent.status == 201
        assert rows(tmp_path / "webchat.db")["owners"] == before["owners"] + 1
