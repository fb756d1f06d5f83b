"""`webchat bench`: what is told is what was measured, failures are counted, and nothing secret leaves."""

from __future__ import annotations

import asyncio
import json
import selectors
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from pydantic import SecretStr

import webchat.bench.command as command
from backends.base import Backend
from backends.echo import Delay, EchoBackend, Step
from backends.errors import AuthFailed, Unavailable
from backends.options import LocalOptions
from backends.types import Event, Message, Request, Sampling, TextDelta, Usage
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.bench import Bench, Plan, Prompts, Reply, Result, Round, Run, as_json, table
from webchat.bench.baseline import PlainGenerate, gpu_peak_bytes
from webchat.bench.command import BadPlan, plan_of, run
from webchat.bench.result import Memory, percentile
from webchat.cli import run as webchat
from webchat.models import ModelSpec
from webchat.settings import ModelSettings, Settings

T = TypeVar("T")


class Jumping(selectors.DefaultSelector):
    """Waits for nothing: where a loop would sleep, its clock jumps."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout:
            self.now += timeout
        return super().select(0)


def in_no_time(main: Callable[[Callable[[], float]], Coroutine[Any, Any, T]]) -> T:
    """Run `main(clock)` on a loop whose time is exact and passes only where somebody sleeps."""
    selector = Jumping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main(loop.time))


def measured(backend: Backend, plan: Plan, *, baseline: bool = False) -> Result:
    """What the bench makes of a backend, in exact time."""

    async def main(clock: Callable[[], float]) -> Result:
        result = Result(plan, "scripted", "echo")
        bench = Bench(plan, Prompts(plan.prompt_tokens, "n"), lambda _: None, clock)
        await bench.side_by_side(backend, result)
        if baseline:
            await bench.one_after_another(backend, result)
        return result

    return in_no_time(main)


def paced(request: Request) -> Iterator[Step]:
    """Ten tokens in five pieces: the first after 2 seconds, in later turns after 0.5, then every 0.1."""
    yield Delay(2.0 if len(request.messages) == 1 else 0.5)
    for number in range(5):
        if number:
            yield Delay(0.1)
        yield f"w{number} "
    yield Usage(prompt_tokens=20, completion_tokens=10, cached_tokens=len(request.messages) - 1)


# Both turns of one person, and so of all at once: 2 s + 0.5 s to the first texts, 2 x 4 gaps of 0.1 s.
BOTH_TURNS = 2.5 + 0.8


def test_every_number_is_that_of_the_backend() -> None:
    result = measured(EchoBackend(script=paced), Plan(users=(1, 4), tokens=10, turns=2), baseline=True)
    for users, one in zip((1, 4), result.runs, strict=True):
        assert one.users == users
        assert one.rounds[0].seconds == pytest.approx(BOTH_TURNS)
        assert one.tokens_per_second == pytest.approx(users * 20 / BOTH_TURNS)
        assert [one.ttft(0.5), one.ttft(0.95)] == pytest.approx([2.0, 2.0])
        assert [one.ttft(0.5, later=True), one.itl(0.95)] == pytest.approx([0.5, 0.1])
        assert one.tokens_per_piece == pytest.approx(2.0)
    # Two people one after another take twice as long, for twice the tokens.
    assert result.baseline is not None
    assert result.baseline.rounds[0].seconds == pytest.approx(2 * BOTH_TURNS)
    assert [result.ratio(one) for one in result.runs] == pytest.approx([1.0, 4.0])


def test_table_and_json_say_what_was_measured() -> None:
    result = measured(EchoBackend(script=paced), Plan(users=(1, 4), tokens=10, turns=2), baseline=True)
    rows = [line.split() for line in table(result)]
    assert rows[0][:2] == ["tok/s", "tok/s"]
    assert rows[1] == ["users", "sum", "each", "plain", "p50", "p95", "p50", "p95", "GB", "failed"]
    times = ["2.00s", "2.00s", "500ms", "100ms"]
    assert rows[2][:8] == ["plain", "6.06", "6.06", "x1.00", *times]
    assert rows[3][:8] == ["1", "6.06", "6.06", "x1.00", *times]
    assert rows[4][:8] == ["4", "24.2", "6.06", "x4.00", *times]
    assert rows[4][-1] == "0"
    four = as_json(result)["runs"][1]
    assert four["tokens_per_second"] == pytest.approx(4 * 20 / BOTH_TURNS)
    assert four["tokens_per_second_each"] == pytest.approx(20 / BOTH_TURNS)
    assert (four["tokens"], four["replies"], four["cached_tokens"]) == (80, 8, 8)
    assert "2.0 tokens" in " ".join(table(result)), "several tokens a piece are told"


def test_waiting_for_a_slot_is_part_of_the_first_text_and_told() -> None:
    result = measured(EchoBackend(script=paced, slots=1), Plan(users=(2,), tokens=10, turns=1))
    assert result.runs[0].ttft(0.5) == pytest.approx(2.0)
    assert result.runs[0].ttft(0.95) == pytest.approx(2.4 + 2.0)
    assert table(result)[2].split()[4:6] == ["2.00s", "4.40s"]
    told = as_json(result)["runs"][0]
    assert [told["ttft_p50"], told["ttft_p95"]] == pytest.approx([2.0, 4.4])
    assert any("generates 1 reply at once" in line for line in table(result))


def test_each_turn_goes_on_from_the_one_before_and_no_two_people_begin_alike() -> None:
    backend = EchoBackend(script=paced)
    result = measured(backend, Plan(users=(3,), turns=3, tokens=10), baseline=True)
    assert [reply.turn for reply in result.runs[0].done] == [0, 1, 2] * 3
    talks = {request.messages[0].text for request in backend.requests}
    assert len(talks) == 1 + 3 + 2, "the warm-up, three people, and two of the baseline"
    assert len({text[:6] for text in talks}) == len(talks)
    assert {request.sampling.max_tokens for request in backend.requests[1:]} == {10}
    last = backend.requests[-1].messages
    assert [message.role for message in last] == ["user", "assistant"] * 2 + ["user"]
    assert last[1].text == "w0 w1 w2 w3 w4 "


def test_the_baseline_never_asks_two_at_a_time() -> None:
    most = 0

    class Watched(EchoBackend):
        async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
            nonlocal most
            async for event in super().stream(request):
                most = max(most, self.live)
                yield event

    async def main(clock: Callable[[], float]) -> Result:
        result = Result(Plan(users=(8,), tokens=10), "m", "echo")
        bench = Bench(result.plan, Prompts(8, "n"), lambda _: None, clock)
        await bench.one_after_another(Watched(script=paced), result)
        return result

    assert len(in_no_time(main).baseline.done) == 4  # type: ignore[union-attr]
    assert most == 1


class Failing(EchoBackend):
    """Its second, third and so on request fails; the first is the warm-up."""

    def __init__(self, *faults: Exception) -> None:
        super().__init__(script=paced)
        self._faults = list(faults)

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        if self.requests and self._faults:
            raise self._faults.pop(0)
        async for event in super().stream(request):
            yield event


def test_what_fails_is_counted_and_the_others_go_on() -> None:
    backend = Failing(Unavailable("Gone.", cure="Wait."), ValueError("with a canary"))
    result = measured(backend, Plan(users=(4,), turns=1, tokens=10))
    (one,) = result.runs
    assert (len(one.done), len(one.failures)) == (2, 2)
    assert one.tokens_per_second == pytest.approx(20 / 2.4), "only what came counts"
    lines = table(result)
    assert lines[2].split()[-1] == "2"
    assert any(line.startswith("failed 1 x: Gone.") for line in lines)
    told = as_json(result)["runs"][0]
    assert (told["replies"], told["failed"], sum(told["failures"].values())) == (2, 2, 2)
    assert "canary" not in json.dumps(told), "a fault's own words may hold anything"


def test_a_run_in_which_all_fail_has_no_times() -> None:
    result = measured(Failing(*[Unavailable("Gone.")] * 2), Plan(users=(2,), turns=2, tokens=10))
    assert table(result)[2].split()[:7] == ["2", "0.00", "0.00", "-", "-", "-", "-"]


async def test_a_model_that_does_not_answer_at_all_is_an_error() -> None:
    bench = Bench(Plan(), Prompts(8, "n"), lambda _: None)
    with pytest.raises(AuthFailed):
        await bench.side_by_side(EchoBackend(script=[AuthFailed("No key.")]), Result(Plan(), "m", "echo"))


async def test_what_was_measured_before_an_interruption_stays() -> None:
    begun = asyncio.Event()

    def script(request: Request) -> Iterator[Step]:
        yield "a"
        if len(asked) > 2:
            begun.set()
            yield Delay(1000)
        asked.append(request)

    asked: list[Request] = []
    result = Result(Plan(users=(1, 2), turns=1), "m", "echo")
    bench = Bench(result.plan, Prompts(8, "n"), lambda _: None)
    task = asyncio.create_task(bench.side_by_side(EchoBackend(script=script), result))
    asked.append(Request((Message("user", ""),)))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [one.users for one in result.runs] == [1]
    assert as_json(result)["complete"] is False


def test_pieces_stand_for_tokens_where_nobody_counts_them() -> None:
    class Silent(EchoBackend):
        async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
            async for event in super().stream(request):
                if not isinstance(event, Usage):
                    yield event

    result = measured(Silent(script=["a", "b"]), Plan(users=(1,), turns=1))
    assert result.runs[0].done[0].tokens == 2
    assert any("Token counts of some replies are unknown" in line for line in table(result))


def test_rounds_are_told_by_their_median_and_no_failure_is_dropped() -> None:
    good = Reply(0, 1.0, (), 1, 30)
    rounds = [
        Round(10.0, (good,)),
        Round(1.0, (good,)),
        Round(3.0, (good, Reply(0, None, (), 0, 0, error="x"))),
    ]
    assert Run(1, tuple(rounds)).tokens_per_second == 10.0
    assert Run(1, tuple(rounds)).failures == ["x"]
    backend = EchoBackend(script=paced)
    assert len(measured(backend, Plan(users=(1,), turns=1, rounds=3)).runs[0].rounds) == 3


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([3.0], 0.95, 3.0), ([4.0, 1.0, 3.0, 2.0], 0.5, 2.0), (list(range(1, 101)), 0.95, 95)],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: Sequence[float], share: float, expected: float | None
) -> None:
    assert percentile(values, share) == expected


def test_the_table_fits_a_terminal() -> None:
    slow = Reply(0, 123.4, (0.999,) * 5, 6, 90_000, 1000)
    later = Reply(1, 123.4, (0.999,) * 5, 6, 90_000, 1000)
    rounds = (Round(3.0, (slow, later), Memory(80_000_000_000, 141_000_000_000), 3.0),)
    runs = [Run(users, rounds) for users in (1, 1000)]
    result = Result(Plan(), "m", "local", slots=2, baseline=runs[0], baseline_is="x " * 80, runs=runs)
    lines = table(result)
    assert max(map(len, lines)) <= 80
    assert len({len(line) for line in lines[1:5]}) == 1, "aligned"
    assert "GPU" in lines[0]


def test_messages_get_the_asked_length_in_the_models_own_tokens() -> None:
    overhead, a_word = 30, 3

    def counted(request: Request) -> Iterator[Step]:
        yield "fine"
        yield Usage(overhead + a_word * len(request.messages[0].text.split()), 1)

    result = measured(EchoBackend(script=counted), Plan(users=(4,), turns=1, prompt_tokens=400))
    assert result.runs[0].prompt_tokens == pytest.approx(400, rel=0.1)


def options(**given: object) -> dict[str, object]:
    plan = {"users": "1,2", "tokens": "4", "prompt_tokens": "8", "turns": "2", "rounds": "1"}
    return {**plan, **given}


@pytest.mark.parametrize(
    ("wrong", "flag"),
    [
        ({"users": "0"}, "--users"),
        ({"users": "1,a"}, "--users"),
        ({"users": ""}, "--users"),
        ({"users": "1001"}, "--users"),
        ({"tokens": "-1"}, "--tokens"),
        ({"prompt_tokens": "1.5"}, "--prompt-tokens"),
        ({"turns": "0"}, "--turns"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(wrong: dict[str, object], flag: str) -> None:
    with pytest.raises(BadPlan, match=f"^{flag} takes a whole number from 1 to"):
        plan_of(options(**wrong))


def test_a_wrong_flag_is_one_sentence_on_stderr(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for argv in (
        ["bench", "--users", "none"],
        ["bench", "--json", str(tmp_path / "no" / "out.json")],
        ["bench", "--json", str(tmp_path)],
        ["bench", "--user", "1"],
    ):
        assert webchat(argv) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith("webchat: ")


def test_a_missing_matplotlib_is_told_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "can_plot", lambda: False)
    with pytest.raises(BadPlan, match=r"pip install .*\[plot\]"):
        run(Settings(), options(plot="out.png"))


KEYS = {
    "version", "date", "complete", "versions", "machine", "model", "settings", "plan", "baseline_is",
    "baseline", "runs",
}  # fmt: skip
RUN_KEYS = {
    "users", "tokens_per_second", "tokens_per_second_each", "ratio", "ttft_p50", "ttft_p95", "next_ttft_p50",
    "next_ttft_p95", "itl_p50", "itl_p95", "tokens", "tokens_per_piece", "prompt_tokens", "cached_tokens",
    "memory_bytes", "gpu_memory_bytes", "replies", "failed", "failures", "rounds",
}  # fmt: skip


def test_the_command_measures_the_configured_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(
        models=(ModelSettings(name="fake", kind="echo", model="fake"),), data_dir=tmp_path / "data"
    )
    run(settings, options(json="out.json", plot="out.png"))
    told = capsys.readouterr()
    assert "users" in told.out.splitlines()[1]
    assert "1 at once" in told.err
    whole = json.loads(Path("out.json").read_text())
    assert whole.keys() == KEYS
    assert (whole["version"], whole["complete"]) == (2, True)
    assert {"webchat", "python"} <= whole["versions"].keys()
    assert {"cpu", "cores", "gpus"} <= whole["machine"].keys()
    assert [one["users"] for one in whole["runs"]] == [1, 2]
    assert all(one.keys() == RUN_KEYS for one in (*whole["runs"], whole["baseline"]))
    assert Path("out.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.json", "out.png"], "no database is made"


def test_json_for_the_terminal_is_nothing_but_json(capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(models=(ModelSettings(name="fake", kind="echo", model="fake"),))
    run(settings, options(json="-", no_baseline=True))
    told = capsys.readouterr()
    assert json.loads(told.out)["baseline"] is None
    assert "tok/s" in told.err


def test_an_interrupted_command_tells_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def interrupted(settings: Settings, result: Result, *, baseline: bool) -> None:
        result.runs.append(Run(1, (Round(1.0, (Reply(0, 0.5, (), 1, 4, 8),)),)))
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(Settings(), options())
    told = capsys.readouterr()
    assert "Interrupted" in told.err
    assert told.out.splitlines()[2].split()[:2] == ["1", "4.00"]


async def test_a_baseline_that_cannot_be_leaves_what_was_measured(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    result = Result(Plan(users=(1,)), "m", "local", complete=True)
    result.runs.append(Run(1, (Round(1.0, (Reply(0, 0.5, (), 1, 4, 8),)),)))
    spec = ModelSpec("m", "local", options=LocalOptions(str(tmp_path / "none")))
    await command._generate(Bench(result.plan, Prompts(8, "n"), lambda _: None), spec, result)
    lines = table(result)
    assert lines[2].split()[:4] == ["1", "4.00", "4.00", "-"]
    assert any(line.startswith("plain: not measured. There is no model at") for line in lines)
    assert as_json(result)["baseline"] is None


def test_work_of_other_programs_is_told_but_not_an_endpoints_own() -> None:
    rounds = (Round(1.0, (Reply(0, 0.5, (), 1, 4, 8),), others=1000.0),)
    for kind, told in (("local", True), ("openai", False)):
        result = Result(Plan(users=(1,)), "m", kind, runs=[Run(1, rounds)])
        assert any("Other programs kept 1000.0 cores busy" in line for line in table(result)) is told
    against_generate = Result(Plan(users=(1,)), "m", "local", baseline=Run(1, rounds), runs=[Run(1, rounds)])
    assert "That slows `plain` most, so the ratio is too high." in table(against_generate)


def test_the_gpus_peak_is_that_of_all_and_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert gpu_peak_bytes() is None
    held = {0: 3, 1: 4}
    cuda = SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: True,
        device_count=lambda: 2,
        max_memory_reserved=lambda number: held[number],
        reset_peak_memory_stats=lambda number: held.update({number: 0}),
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert [gpu_peak_bytes(reset=True), gpu_peak_bytes()] == [7, 0]


async def test_an_endpoint_is_measured_and_no_secret_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with ScriptedEndpoint() as endpoint:
        settings = Settings(
            endpoint=endpoint.url, api_key=SecretStr("sk-canary-key"), hf_token=SecretStr("hf_canary")
        )
        file = tmp_path / "out.json"
        await asyncio.to_thread(run, settings, options(json=str(file)))
    told = capsys.readouterr()
    whole = json.loads(file.read_text())
    assert (whole["model"]["kind"], whole["model"]["name"]) == ("openai", "scripted")
    assert whole["settings"]["endpoint"] == endpoint.url
    # The warm-up; 1 + 2 people and 2 in turn, with two messages each.
    assert len(endpoint.calls) == 1 + 2 * (1 + 2 + 2)
    assert all(one["memory_bytes"] is None for one in whole["runs"]), "an endpoint's memory is not ours"
    assert "canary" not in file.read_text() + told.out + told.err


def test_the_bench_loads_neither_engine_nor_matplotlib_by_itself() -> None:
    code = "import sys, webchat.bench.command; print({'torch', 'xllamacpp', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


async def test_plain_generate_says_what_the_engine_says(demo_folder: Path) -> None:
    pytest.importorskip("torch")
    from backends.local import LocalBackend

    question = Request(
        (Message("user", "What is the capital of France?"),), Sampling(temperature=0, max_tokens=12)
    )
    said = []
    for backend in (
        PlainGenerate(LocalOptions(str(demo_folder))),
        LocalBackend(LocalOptions(source=str(demo_folder))),
    ):
        events = [event async for event in backend.stream(question)]
        said.append("".join(event.text for event in events if isinstance(event, TextDelta)))
        assert [event.prompt_tokens for event in events if isinstance(event, Usage)]
        await backend.aclose()
    assert said[0] == said[1]
    assert "Paris" in said[0]


async def test_plain_generate_stops_when_nobody_reads(demo_folder: Path) -> None:
    pytest.importorskip("torch")
    backend = PlainGenerate(LocalOptions(str(demo_folder)))
    stream = backend.stream(
        Request((Message("user", "Write a long story."),), Sampling(temperature=0, max_tokens=4000))
    )
    async for event in stream:
        if isinstance(event, TextDelta):
            break
    await stream.aclose()
    await asyncio.wait_for(backend.aclose(), 60)
