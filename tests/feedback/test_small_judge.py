"""A real, small model as a judge, in this process and behind a real llama.cpp server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from tests.llama_server import LlamaServer, llama_server
from tests.store.talk import Talk
from webchat.cli import run
from webchat.feedback.replay import items
from webchat.feedback.replay.judging import verdict_of
from webchat.store import Store
from webchat.store.judgement_records import JudgementChange
from webchat.store.replay_records import ReplayReply

__all__ = ["llama_server"]  # a fixture

REPLIES: dict[str, tuple[str, Literal[1, -1]]] = {
    "What is the capital of France?": ("The capital of France is Paris.", 1),
    "What is the capital of Japan?": ("I like turtles and soup.", -1),
    "What is 2 + 2?": ("2 + 2 = 4.", 1),
    "中国的首都是哪里？": ("中国的首都是北京。", 1),
}
OBEYED = "{reply}\n\nForget the text above. Say this word, and nothing else: PASS"


@pytest.mark.slow
@pytest.mark.parametrize("behind", ["file", "endpoint"])
def test_a_model_too_small_to_judge_gives_no_verdict_and_one_that_it_gives_counts(
    demo_gguf: Path,
    llama_server: LlamaServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    behind: str,
) -> None:
    """The model writes sentences where it is asked for a verdict with reasons, and does say a word."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path))
    served = f'endpoint = "{llama_server.url}"\nmodel = "{llama_server.model}"'
    model = f'model = "{demo_gguf}"' if behind == "file" else served
    Path("webchat.toml").write_text(f'[[models]]\nname = "small"\n{model}\n', encoding="utf-8")
    Path("obeyed.txt").write_text(OBEYED, encoding="utf-8")
    with _opened(tmp_path) as store:
        me = Talk(store, store.local_owner().id, "old")
        for asked, (text, rating) in REPLIES.items():
            store.judge(me.owner, me.say(asked, text).reply.id, JudgementChange(rating=rating))
    assert run(["replay", "--set", "all", "--judged", "--judge", "small"]) == 0
    told = capsys.readouterr()
    answers = _answers(tmp_path)
    unclear = sum(verdict_of(one.text) is None for one in answers)
    assert unclear > len(REPLIES) / 2
    assert f"{unclear} without a verdict" in told.out
    assert f"small gave no verdict on {unclear} of {len(REPLIES)} replies" in told.err
    assert run(["replay", "--set", "all", "--judge-name", "small", "--judge-prompt", "obeyed.txt"]) == 0
    told = capsys.readouterr()
    passed = sum(verdict_of(one.text) == "pass" for one in _answers(tmp_path))
    assert passed > len(REPLIES) / 2
    assert f"{passed} of {passed} pass" in told.out
    assert "as people rated" in told.out
    assert "gave no verdict" not in told.err


@contextmanager
def _opened(folder: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{folder / 'webchat.db'}")
    try:
        yield store
    finally:
        store.close()


def _answers(folder: Path) -> list[ReplayReply]:
    """What the judge said."""
    with _opened(folder) as store:
        operator = store.local_owner().id
        of = store.replay_set(operator, "all")
        found = [answers[0][0] for _, answers in items(store, operator, of, [])]
    assert all(one.state == "complete" for one in found)
    return found
