"""`webchat replay`: alone on a database, and beside the server that has it open."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from backends.echo import EchoBackend
from tests.store.talk import Talk
from webchat.cli import run
from webchat.feedback.replay import Replayer
from webchat.models import Models, ModelSpec
from webchat.moderation import OpenGates
from webchat.prompts import PlainRenderer
from webchat.store import Store
from webchat.store.errors import StoreUnavailable
from webchat.store.judgement_records import JudgementChange
from webchat.turns import NotAccepting, Turns


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with three chats, of which one was judged badly, and a model named `echo`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    Path("webchat.toml").write_text('[[models]]\nname = "echo"\nkind = "echo"\n', encoding="utf-8")
    url = f"sqlite:///{tmp_path / 'data' / 'webchat.db'}"
    store = Store.open(url)
    me = Talk(store, store.local_owner().id, "old")
    for question in ("a", "b", "c"):
        reply = me.say(question, f"old {question}").reply
        store.judge(me.owner, reply.id, JudgementChange(rating=-1 if question == "b" else 1))
    store.close()
    return url


def test_a_set_is_chosen_and_done_by_the_command_alone(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--rating", "bad", "--expect", "OLD", "--model", "echo", "--seed", "7", "--report", "r.html"]
    assert run(["replay", "--set", "bad", *flags]) == 0
    told = capsys.readouterr().out
    assert 'Set "bad": 1 reply.' in told
    assert "echo · seed 7: 1 done, 0 failed" in told
    assert "as stored: 0 refusals, 1 pass the checks" in told
    assert "  Contains: OLD: 1 of 1 pass (21% to 100%), 0 of 1 as people rated" in told
    assert "echo · seed 7" in Path("r.html").read_text(encoding="utf-8")
    assert run(["replay"]) == 0
    assert "echo · seed 7: 1 done, 0 failed, done" in capsys.readouterr().out
    assert run(["replay", "--set", "bad", "--delete"]) == 0
    assert run(["replay", "--set", "bad"]) == 2
    assert 'no set "bad"' in capsys.readouterr().err


def test_a_judge_is_asked_by_the_command(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("prompt.txt").write_text("PASS or not? {reply}", encoding="utf-8")
    asked = ["replay", "--set", "bad", "--rating", "bad", "--judge", "echo"]
    assert run([*asked, "--judge-prompt", "prompt.txt", "--model", "echo"]) == 0
    told = capsys.readouterr()
    assert "echo: 1 done, 0 failed, 0 unchanged, 0 refusals, " in told.out
    assert "judge echo: 1 without a verdict, its own model" in told.out
    assert "echo gave no verdict on 2 of 2 replies" in told.err
    more = ["--judge", "echo", "--judge-name", "second"]
    assert run(["replay", "--set", "bad", *more]) == 0
    told = capsys.readouterr()
    assert told.out.count("judge echo:") == told.out.count("judge second:") == 2
    for flags, why in (
        (["--judge", "unknown"], 'no model "unknown"'),
        (["--judge-prompt", "none.txt"], "--judge-prompt needs --judge or --judge-name"),
        (["--judge-name", "second", "--judge-prompt", "none.txt"], "none.txt"),
        (["--judge-name", "third", "--no-judge"], "it has echo, second"),
    ):
        assert run(["replay", "--set", "bad", *flags]) == 2
        assert why in capsys.readouterr().err
    assert run(["replay", "--set", "bad", "--no-judge", "--judge-name", "echo"]) == 0
    told = capsys.readouterr()
    assert ("judge echo:" in told.out, "judge second:" in told.out) == (False, True)
    assert run(["replay", "--set", "bad", "--no-judge"]) == 0
    assert "verdict" not in capsys.readouterr().out


def test_a_running_server_does_what_the_command_asks_for(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with _serving(url):
        assert run(["replay", "--set", "all", "--model", "echo"]) == 0
    told = capsys.readouterr()
    assert "The server that runs on this database does the replay." in told.err
    assert "echo: 3 done, 0 failed" in told.out


def test_what_makes_no_sense_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for flags, why in (
        (["--model", "unknown"], 'no model "unknown" in the picker; there is echo'),
        (["--model", "echo", "--temperature", "9"], "--temperature:"),
        (["--model", "echo", "--template", "none"], 'no prompt template "none"'),
        (["--link", "nobody"], 'no link has the name "nobody"'),
        (["--of-model", "unknown"], "No matching reply may be replayed."),
        (["--from", "nowhere"], "no held-out rows"),
        (["--expect-match", "(x"], "--expect: (x: missing"),
    ):
        assert run(["replay", "--set", "new", *flags]) == 2
        assert why in capsys.readouterr().err
        run(["replay", "--set", "new", "--delete"])
        capsys.readouterr()


@pytest.mark.parametrize("error", [NotAccepting(), StoreUnavailable("The disk is full.")], ids=repr)
def test_a_replay_that_cannot_go_on_says_so_in_a_sentence(
    url: str, error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> None:
        raise error

    monkeypatch.setattr(Turns, "start", refused)
    assert run(["replay", "--set", "all", "--model", "echo"]) == 2
    told = capsys.readouterr().err
    assert ("Stopped: the same command goes on" in told) or (str(error) in told)
    assert "Traceback" not in told


class _serving:
    """A server's part in it: the store that is open, turns, and what does the runs."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ready, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> None:
        self._thread.start()
        self._ready.wait()

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join()

    async def _serve(self) -> None:
        store = Store.open(self._url)
        models = Models([ModelSpec(name="echo", kind="echo")], lambda _: EchoBackend())
        turns = Turns(store, models, renderer=PlainRenderer(), gates=OpenGates(), titles=False)
        await turns.open()
        serving = asyncio.create_task(Replayer(store, turns).serve())
        self._ready.set()
        await asyncio.to_thread(self._end.wait)
        serving.cancel()
        await asyncio.wait([serving])
        await turns.aclose()
        await models.aclose()
        store.close()
