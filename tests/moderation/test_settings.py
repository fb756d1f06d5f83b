"""Every setting of every kind of rule changes what is done, or is refused by name: none is passed over."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, get_args

import pytest

from backends.types import Request, TextDelta
from webchat.moderation import Context, Moderation
from webchat.moderation.filters import Closing, Moderator
from webchat.moderation.kinds.tables import TABLES, settings_of
from webchat.moderation.rules import BadRules, Tools, load_rules, read_rules
from webchat.moderation.testing import Broken
from webchat.moderation.verdicts import Stage

LINE = "A bad thing, a worse one, x13800138000 and a@b.io. "
CALM = "It is quiet here. " * 20
TEXTS = ("fine", "bad", "worse", "x13800138000", "aaaaaaaa", "key sk-" + "a1" * 20, "slow", LINE * 4, CALM)

# The least that a table of each kind needs; and for each of its settings what it is set to instead.
LEAST = {
    "phrases": 'phrases = ["bad"]',
    "patterns": "patterns = ['x[0-9]+']",
    "secrets": "",
    "personal": "",
    "limits": "most_chars = 60",
    "endpoint": 'url = "{url}"',
    "guard": 'model = "m"\nurl = "{url}"',
}
CHANGED: dict[str, dict[str, str]] = {
    "every": {"name": '"another"', "stages": '["prompt", "stored"]', "fail": '"open"'},
    "acting": {
        "action": '"replace"',
        "instead": '"<out>"',
        "sentence": '"Not like this."',
        "cure": '"Say it differently."',
    },
    "asking": {
        "seconds": "0.05",
        "window": "20",
        "url": '"{url}/other"',
        "model": '"n"',
        "api_key_env": '"THE_KEY"',
    },
    "phrases": {"phrases": '["worse"]', "file": '"words.txt"'},
    "patterns": {"patterns": "['a@[a-z.]+']", "window": "4"},
    "secrets": {"action": '"block"'},
    "personal": {"kinds": '["email"]'},
    "limits": {
        "most_chars": "3",
        "most_repeats": "5",
        "most_a_minute": "1",
        "most_a_minute_by_link": "1",
        "stages": '["input", "prompt"]',
    },
    "endpoint": {"threshold": "0.2", "categories": '{ hate = "flag" }'},
    "guard": {
        "style": '"llama-guard"',
        "controversial": '"block"',
        "categories": '{ Violent = "flag" }',
    },
}
GROUPS = {
    "phrases": ("acting",),
    "patterns": ("acting",),
    "personal": ("acting",),
    "endpoint": ("acting", "asking"),
    "guard": ("acting", "asking"),
}
EVERY = [(kind, setting) for kind in TABLES for setting in settings_of(kind)]


class Service:
    """A moderation service and guard models on a loopback socket. It keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.url = ""
        self._connections: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Service]:
        server = await asyncio.start_server(self._serve, "127.0.0.1")
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        yield self
        server.close()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines[1:]}
                body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or "{}")
                self.asked.append((lines[0], headers.get("authorization", ""), body))
                if "slow" in json.dumps(body):
                    await asyncio.sleep(0.3)
                writer.write(self._answer(body))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def _answer(self, body: dict[str, Any]) -> bytes:
        if "input" in body:
            score = 0.9 if "worse" in body["input"] else 0.3 if "bad" in body["input"] else 0.01
            said = {"violence": score > 0.5, "hate": False}
            result = {"flagged": score > 0.5, "categories": said}
            result["category_scores"] = {"violence": score, "hate": 0.02}
            return _http("application/json", json.dumps({"results": [result]}))
        if not body:
            return _http("application/json", '{"object": "list", "data": [{"id": "m"}, {"id": "n"}]}')
        text = body["messages"][-1]["content"]
        safety = "Unsafe" if "worse" in text else "Controversial" if "bad" in text else "Safe"
        said_text = f"Safety: {safety}\nCategories: {'None' if safety == 'Safe' else 'Violent'}"
        chunk = {"choices": [{"index": 0, "delta": {"content": said_text}, "finish_reason": "stop"}]}
        return _http("text/event-stream", f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n")


def _http(kind: str, body: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    return (head + body).encode()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with Service().serving() as one:
        yield one


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("webchat.moderation")
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(logging.NOTSET)


async def seen(folder: Path, service: Service, kind: str, **settings: str) -> list[object]:
    """Everything that a moderator does with the texts at every stage, whole and in pieces; what it asks; and
    what it does when it breaks."""
    lines = dict(line.split(" = ", 1) for line in LEAST[kind].splitlines()) | settings
    text = "\n".join(f"{name} = {value}" for name, value in lines.items()).replace("{url}", service.url)
    path = folder / "rules.toml"
    path.write_text(f'[[moderators]]\nkind = "{kind}"\n{text}\n', encoding="utf-8")
    (folder / "words.txt").write_text("fine\n", encoding="utf-8")
    one = load_rules(path, Tools(key={"THE_KEY": "k-e-y"}.get))[-1]
    service.asked.clear()
    happened: list[object] = []
    for stage in get_args(Stage):
        happened += [stage, *[await _done(one, stage, text) for text in TEXTS]]
    happened.append(sorted(map(repr, service.asked)))
    stage = min(one.stages)
    happened.append(await _done(Broken(one, 0, one.fail), stage, "fine"))
    if isinstance(one, Closing):
        await one.aclose()
    return [repr(each).replace(str(service.url.rsplit(":")[-1]), "") for each in happened]


async def _done(one: Moderator, stage: Stage, text: str) -> object:
    told: list[object] = []
    moderation = Moderation([one], lambda decision: told.append((decision.moderator, decision.finding)))
    if stage != "output":
        context = Context(stage, owner=one.name, link="a link")
        trial = await moderation.trial(context, text)
        if stage == "input":
            for _ in range(2):
                try:
                    told.append(await moderation.review(context, text))
                except Exception as refused:
                    told.append(repr(refused))
        return trial, told
    gate = (await moderation.prepare(Context("prompt"), Request(()))).gate
    pieces = [TextDelta(text[at : at + 9]) for at in range(0, len(text), 9)]
    return [await gate.feed(piece) for piece in pieces], await gate.finish(), told


def changed(kind: str, setting: str) -> str:
    """What this setting is set to instead. Raises `KeyError` where the test does not know of it."""
    for group in (kind, *GROUPS.get(kind, ()), "every"):
        if setting in CHANGED[group]:
            return CHANGED[group][setting]
    raise KeyError(f"{kind}.{setting}: say here what it may be set to")


@pytest.mark.parametrize(("kind", "setting"), EVERY, ids=[".".join(one) for one in EVERY])
async def test_every_setting_has_an_effect(kind: str, setting: str, tmp_path: Path, service: Service) -> None:
    also: dict[str, str] = {}
    if setting in ("instead", "sentence", "cure"):
        also = {"action": '"replace"' if setting == "instead" else '"block"'}
    before = await seen(tmp_path, service, kind, **also)
    after = await seen(tmp_path, service, kind, **also, **{setting: changed(kind, setting)})
    assert before != after, f"{kind}.{setting} is taken and changes nothing"


@pytest.mark.parametrize("kind", TABLES)
def test_what_a_kind_does_not_have_is_refused_by_name_with_what_it_has(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    others = {name for other in TABLES for name in settings_of(other)} - set(settings_of(kind))
    for name in {*others, "nonsense"}:
        needed = LEAST[kind].replace("{url}", "http://127.0.0.1:1")
        path.write_text(f'[[moderators]]\nkind = "{kind}"\n{needed}\n{name} = 1\n', encoding="utf-8")
        with pytest.raises(BadRules, match=rf"\.{name}: there is no such setting; allowed: name") as refused:
            load_rules(path)
        assert all(known in str(refused.value) for known in settings_of(kind))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('kind = "limits"', "set most_chars"),
        ('kind = "limits"\nstages = ["output"]\nmost_a_minute = 3', "stages must include"),
    ],
)
def test_a_setting_that_could_do_nothing_is_refused(table: str, said: str) -> None:
    with pytest.raises(BadRules, match=said):
        read_rules(f"[[moderators]]\n{table}")


def test_a_key_for_a_guard_without_an_address_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('[[moderators]]\nkind = "guard"\nmodel = "m"\napi_key_env = "K"', encoding="utf-8")
    with pytest.raises(BadRules, match="api_key_env"):
        load_rules(path, Tools(key=lambda _: "k"))


def test_two_of_a_kind_have_names_of_their_own() -> None:
    table = '[[moderators]]\nkind = "limits"\nmost_chars = 9\n'
    two = f'{table}name = "{{}}"\n{table}'
    assert [one.name for one in read_rules(two.format("long"))] == ["tidy", "long", "limits"]
    with pytest.raises(BadRules, match="give each a unique name"):
        read_rules(two.format("limits"))
