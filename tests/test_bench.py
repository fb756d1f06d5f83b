"""`webchat bench`: what is told is what was measured, failures are counted, and nothing secret leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from backends.base import collect
from backends.echo import EchoBackend, Step
from backends.errors import Unavailable
from backends.types import Message, Request, Usage
from webchat.bench import Plan, Result, Run, as_json, measure, table
from webchat.bench.command import BadPlan, plan_of, run
from webchat.bench.measure import Reply, one_after_another, percentile, prompt, side_by_side
from webchat.settings import ModelSettings, Settings


class Ticks:
    """A clock that goes on by one second each time it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def script(request: Request) -> Iterator[Step]:
    yield from ["one ", "two ", "three"]
    yield Usage(10, 30, 4)


async def test_the_numbers_are_those_of_the_backend() -> None:
    run = await side_by_side(EchoBackend(script=script), Plan(turns=1), 1, 0, Ticks())
    # The clock is read at the beginning, for the request, for each of three pieces, and at the end.
    assert run.seconds == 5.0
    assert run.replies == (Reply(0, 1.0, (1.0, 1.0), 30, 4),)
    assert run.tokens_per_second == 6.0
    assert (run.first(0.5), run.gap(0.95), run.first(0.5, later=True)) == (1.0, 1.0, None)


async def test_pieces_are_counted_where_nobody_counts_tokens() -> None:
    class Silent(EchoBackend):
        async def stream(self, request: Request):  # type: ignore[no-untyped-def]
            async for event in super().stream(request):
                if not isinstance(event, Usage):
                    yield event

    run = await side_by_side(Silent(script=["a", "b"]), Plan(turns=1), 1, 0, Ticks())
    assert run.replies[0].tokens == 2


async def test_each_turn_goes_on_from_the_one_before() -> None:
    backend = EchoBackend(script=script)
    run = await side_by_side(backend, Plan(turns=3), 2, 0, Ticks())
    assert [reply.turn for reply in run.replies] == [0, 1, 2, 0, 1, 2]
    lengths = sorted(len(request.messages) for request in backend.requests)
    assert lengths == [1, 1, 3, 3, 5, 5]
    beginnings = {request.messages[0].text for request in backend.requests}
    assert len(beginnings) == 2, "people do not share a beginning by accident"


async def test_a_failed_request_is_counted_and_the_others_go_on() -> None:
    calls = 0

    def sometimes(request: Request) -> list[Step]:
        nonlocal calls
        calls += 1
        return [Unavailable("Gone.")] if calls == 2 else ["fine"]

    result = Result(Plan(users=(3,), turns=1), "m", "echo")
    await measure(
        EchoBackend(script=lambda request: ["x"]), Plan(users=(1,), turns=1), result, lambda _: None
    )
    result.runs.append(await side_by_side(EchoBackend(script=sometimes), Plan(turns=1), 3, 0, Ticks()))
    assert result.runs[-1].failures == ["Gone."]
    assert len(result.runs[-1].done) == 2
    assert any("Gone." in line for line in table(result))
    assert as_json(result)["runs"][-1]["failures"] == ["Gone."]


async def test_the_baseline_asks_one_at_a_time() -> None:
    backend = EchoBackend(script=script, slots=1)
    run = await one_after_another(backend, Plan(turns=2), people=3, clock=Ticks())
    assert len(run.done) == 6
    result = Result(Plan(), "m", "echo", baseline=run)
    twice = Run(2, run.seconds / 2, run.replies)
    assert result.ratio(twice) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([3.0], 0.95, 3.0), ([4.0, 1.0, 3.0, 2.0], 0.5, 2.0), (list(range(1, 101)), 0.95, 95)],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[float], share: float, expected: float | None
) -> None:
    assert percentile(values, share) == expected


def test_the_table_fits_a_terminal() -> None:
    reply = Reply(0, 12.3, (0.1,) * 5, 900)
    plain, crowd = (Run(users, 3.0, (reply,) * users, 80_000_000_000) for users in (1, 128))
    lines = table(Result(Plan(), "m", "local", baseline=plain, baseline_is="in turn", runs=[plain, crowd]))
    assert max(map(len, lines)) <= 80


def test_prompts_have_about_the_asked_length(demo_gguf: Path) -> None:
    counts = [len(prompt(number, 256).split()) * 1.5 for number in range(5)]
    assert all(0.8 * 256 < count < 1.3 * 256 for count in counts)


def options(**given: object) -> dict[str, object]:
    return {"users": "1,2", "tokens": "4", "prompt_tokens": "8", "turns": "1", "rounds": "1", **given}


@pytest.mark.parametrize(
    "wrong", [{"users": "0"}, {"users": "a"}, {"users": ""}, {"tokens": "-1"}, {"turns": "0"}]
)
def test_what_makes_no_sense_is_refused_in_a_sentence(wrong: dict[str, object]) -> None:
    with pytest.raises(BadPlan, match="take"):
        plan_of(options(**wrong))


def test_the_command_measures_the_configured_model_and_tells_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(
        models=(ModelSettings(name="fake", kind="echo", model="fake"),),
        hf_token=SecretStr("hf_canary"),
        api_key=SecretStr("canary"),
    )
    file, picture = tmp_path / "out.json", tmp_path / "out.png"
    run(settings, options(json=str(file), plot=str(picture)))
    told = capsys.readouterr()
    assert told.out.split("\n")[0].split()[:2] == ["users", "tok/s"]
    whole = json.loads(file.read_text())
    assert [one["users"] for one in whole["runs"]] == [1, 2]
    assert whole["version"] == 1
    assert whole["baseline"]["is"]
    assert {"machine", "model", "plan", "webchat", "date"} <= whole.keys()
    assert "canary" not in file.read_text() + told.out + told.err
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_folder_that_is_not_there_is_told_before_anything_is_measured() -> None:
    with pytest.raises(BadPlan, match="no folder"):
        run(Settings(), options(json="/no/such/folder/out.json"))


async def test_the_request_is_one_a_model_takes() -> None:
    completion = await collect(EchoBackend().stream(Request((Message("user", prompt(1, 20)),))))
    assert completion.text.startswith("Story 1")
