"""The engine under random schedules: every row gets exactly its own text, everything comes back, nobody waits
for ever. On a tiny model with random weights; the reference is transformers' own `generate`."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.errors import BackendError, EngineFailed, OutOfMemory, Unavailable
from backends.local.attention import Memory, pack
from backends.local.engine import Engine
from backends.local.rows import Row
from backends.local.sampling import Choice, Sampler
from backends.types import Sampling
from tests.backends.tiny_models import make_folder

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

LONGEST = 24
ENDS_WITHIN = 60.0
PROMPTS = [
    [7, 8, 9],
    [7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
    [7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22],
    list(range(100, 140)),
    [*range(100, 130), 5, 6],
    [3],
]


@dataclass
class Listener:
    """A speaker that listens to the first `leaves` tokens, or fails at one."""

    most: int
    leaves: int | None = None
    fails: int | None = None
    tokens: list[int] = field(default_factory=list)
    error: BaseException | None = None
    over: threading.Event = field(default_factory=threading.Event)
    times_over: int = 0

    @property
    def cancelled(self) -> bool:
        return self.leaves is not None and len(self.tokens) >= self.leaves

    def token(self, choice: Choice) -> bool:
        if len(self.tokens) == self.fails:
            raise RuntimeError("this row's own fault")
        self.tokens.append(choice.token)
        return len(self.tokens) >= self.most

    def cut(self) -> None:
        """The engine never calls it."""

    def finish(self, row: Row, error: BaseException | None) -> None:
        self.error = error
        self.times_over += 1
        self.over.set()


class Model:
    """A packed tiny model, and what plain `generate` says on it."""

    def __init__(self, folder: Path, dtype: Any) -> None:
        # As engines do: threads of several test processes would spin against each other.
        torch.set_num_threads(1)
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
        pack(self.model)
        self.said = [self._plain(prompt) for prompt in PROMPTS]

    def _plain(self, prompt: list[int]) -> list[int]:
        ids = torch.tensor([prompt])
        with torch.inference_mode():
            whole = self.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=LONGEST,
                min_new_tokens=LONGEST,
                do_sample=False,
            )
        tokens: list[int] = whole[0, len(prompt) :].tolist()
        return tokens

    def engine(self, tokens: int = 160, slots: int = 3, **options: Any) -> Engine:
        memory = Memory(self.model.config, tokens, torch.float32, "cpu")
        return Engine(self.model, memory, slots=slots, chunk=8, **options)

    def row(self, prompt: int, listener: Listener, sampling: Sampling | None = None, seed: int = 0) -> Row:
        config = transformers.GenerationConfig()
        config.suppress_tokens = [0, 1, 2]  # as `min_new_tokens` does to the ends of a reply
        sampler = Sampler(config, sampling or Sampling(temperature=0), seed, "cpu")
        return Row(list(PROMPTS[prompt]), listener.most, sampler, listener)


@pytest.fixture(scope="module")
def tiny(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    make_folder(demo_folder, folder)
    return folder


@pytest.fixture(scope="module")
def model(tiny: Path) -> Model:
    return Model(tiny, torch.float32)


@pytest.fixture
def engine(model: Model) -> Iterator[Engine]:
    made = model.engine()
    yield made
    made.close()
    _check_all_came_back(made)


def _check_all_came_back(engine: Engine) -> None:
    assert engine.live == 0
    engine._prefixes.clear()
    assert engine._regions.free == engine.memory.tokens


def ended(listener: Listener) -> Listener:
    assert listener.over.wait(ENDS_WITHIN), "it waits for ever"
    return listener


@dataclass(frozen=True)
class Arrival:
    prompt: int
    most: int
    leaves: int | None
    fails: int | None
    after: int
    """How many tokens the one before has when this one comes."""


ARRIVALS = st.builds(
    Arrival,
    prompt=st.integers(0, len(PROMPTS) - 1),
    most=st.integers(1, LONGEST),
    leaves=st.one_of(st.none(), st.none(), st.integers(0, 6)),
    fails=st.one_of(st.none(), st.none(), st.none(), st.integers(0, 6)),
    after=st.integers(0, 5),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ARRIVALS, min_size=1, max_size=10), st.booleans())
def test_every_row_gets_exactly_its_own_text_whatever_the_others_do(
    model: Model, arrivals: list[Arrival], padded: bool
) -> None:
    engine = model.engine(padded=padded)
    listeners: list[Listener] = []
    for arrival in arrivals:
        if listeners and arrival.after:
            before = listeners[-1]
            while len(before.tokens) < min(arrival.after, before.most) and not before.over.wait(0.0005):
                pass
        listener = Listener(arrival.most, arrival.leaves, arrival.fails)
        listeners.append(listener)
        engine.submit(model.row(arrival.prompt, listener))
    for arrival, listener in zip(arrivals, listeners, strict=True):
        ended(listener)
        said = model.said[arrival.prompt]
        assert listener.tokens == said[: len(listener.tokens)]
        if listener.error is not None:
            assert isinstance(listener.error, Unavailable)
            assert len(listener.tokens) == arrival.fails
        else:
            assert listener.cancelled or len(listener.tokens) == arrival.most
    engine.close()
    assert all(listener.times_over == 1 for listener in listeners)
    _check_all_came_back(engine)


def test_the_next_turn_reads_only_what_is_new(model: Model, engine: Engine) -> None:
    first = Listener(8)
    row = model.row(3, first)
    engine.submit(row)
    ended(first)
    second = Listener(8)
    longer = Row([*PROMPTS[3], *first.tokens, 5, 6, 7], 8, row.sampler, second)
    engine.submit(longer)
    ended(second)
    # The last token of a reply was said but never read.
    assert longer.cached == len(PROMPTS[3]) + 7
    cold = Listener(8)
    engine._prefixes.clear()
    again = Row(list(longer.ids[: longer.prompt]), 8, row.sampler, cold)
    engine.submit(again)
    assert ended(cold).tokens == second.tokens
    assert again.cached == 0


def test_rows_of_one_beginning_share_the_work_while_they_run(model: Model, engine: Engine) -> None:
    first, second = Listener(LONGEST), Listener(LONGEST)
    engine.submit(model.row(3, first))
    while not first.tokens:
        assert not first.over.wait(0.0005)
    row = model.row(4, second)
    engine.submit(row)
    assert ended(second).tokens == model.said[4]
    assert ended(first).tokens == model.said[3]
    assert row.cached == 30


def test_a_row_that_is_larger_than_the_memory_is_refused_and_the_others_go_on(model: Model) -> None:
    engine = model.engine(tokens=30)
    small, large, after = Listener(4), Listener(4), Listener(4)
    for prompt, listener in ((0, small), (3, large), (1, after)):
        engine.submit(model.row(prompt, listener))
    assert ended(small).tokens == model.said[0][:4]
    assert isinstance(ended(large).error, OutOfMemory)
    assert ended(after).tokens == model.said[1][:4]
    engine.close()
    _check_all_came_back(engine)


def test_when_replies_outgrow_the_memory_the_youngest_is_refused_with_its_words(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.local.rows.GROWTH", 1)
    engine = model.engine(tokens=40, slots=2)
    old, young = Listener(LONGEST), Listener(LONGEST)
    engine.submit(model.row(1, old))
    engine.submit(model.row(2, young))
    assert ended(old).tokens == model.said[1]
    assert isinstance(ended(young).error, OutOfMemory)
    assert young.tokens
    assert young.tokens == model.said[2][: len(young.tokens)]
    engine.close()
    _check_all_came_back(engine)


def _broken_once(
    model: Model, monkeypatch: pytest.MonkeyPatch, error: BaseException, asked: threading.Event
) -> None:
    """The fifth step breaks, and not before `asked`: whoever asks later is answered by the next engine."""
    forward, calls = model.model.forward, 0

    def fail(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 5:
            assert asked.wait(60)
            raise error
        return forward(*args, **options)

    monkeypatch.setattr(model.model, "forward", fail)


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit()], ids=["step", "thread"])
def test_a_broken_engine_tells_all_who_wait_and_the_next_message_works(
    model: Model,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: BaseException,
) -> None:
    asked = threading.Event()
    _broken_once(model, monkeypatch, error, asked)
    listeners = [Listener(LONGEST) for _ in range(5)]
    for listener in listeners:
        engine.submit(model.row(0, listener))
    asked.set()
    for listener in listeners:
        wrong = ended(listener).error
        assert isinstance(wrong, EngineFailed)
        assert wrong.retryable
        assert wrong.cure
    assert len([r for r in caplog.records if r.levelname == "ERROR"]) == 1
    after = Listener(4)
    engine.submit(model.row(1, after))
    assert ended(after).tokens == model.said[1][:4]


def test_an_engine_whose_thread_was_killed_starts_again(model: Model) -> None:
    engine = model.engine(tokens=20_000)  # enough to write on until the thread meets its end
    running = Listener(10**6)
    row = model.row(0, running)
    engine.submit(row)
    while not running.tokens:
        assert not running.over.wait(0.0005)
    assert engine._thread is not None
    assert engine._thread.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(engine._thread.ident), ctypes.py_object(SystemExit)
    )
    assert isinstance(ended(running).error, EngineFailed)
    after = Listener(4)
    engine.submit(model.row(1, after))
    assert ended(after).tokens == model.said[1][:4]
    engine.close()
    _check_all_came_back(engine)


def test_memory_that_runs_out_in_a_step_ends_the_largest_and_the_others_go_on(
    model: Model, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Listener(LONGEST)
    engine.submit(model.row(0, small))
    while not small.tokens:
        assert not small.over.wait(0.0005)
    forward = model.model.forward

    def fail(*args: Any, **options: Any) -> Any:
        if options["input_ids"].shape[1] > 2:
            raise RuntimeError("out of memory")
        return forward(*args, **options)

    monkeypatch.setattr(model.model, "forward", fail)
    large = Listener(4)
    engine.submit(model.row(3, large))
    wrong = ended(large).error
    assert isinstance(wrong, OutOfMemory)
    assert wrong.params
    assert ended(small).error is None
    assert small.tokens == model.said[0]


def test_scores_that_are_no_numbers_end_their_row_alone(model: Model, engine: Engine) -> None:
    class Broken(Sampler):
        def choose(self, ids: Any, scores: Any) -> Choice:
            return super().choose(ids, scores * float("nan"))

    bad, good = Listener(8), Listener(8)
    row = model.row(0, bad)
    row.sampler = Broken(transformers.GenerationConfig(), Sampling(temperature=1.0), 0, "cpu")
    engine.submit(row)
    engine.submit(model.row(1, good))
    assert isinstance(ended(bad).error, BackendError)
    assert ended(good).tokens == model.said[1][:8]


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.5),
        Sampling(temperature=0.7, top_p=0.9),
        Sampling(temperature=1.0, top_k=10**9),
        Sampling(temperature=1.0, top_k=5, min_p=0.05),
        Sampling(temperature=0, repetition_penalty=1.5),
    ],
    ids=str,
)
def test_a_seed_repeats_beside_others_as_alone(model: Model, engine: Engine, sampling: Sampling) -> None:
    def asked(seed: int) -> Listener:
        listener = Listener(16)
        engine.submit(model.row(1, listener, sampling, seed))
        return listener

    alone = [ended(asked(seed)).tokens for seed in (1, 2)]
    together = [asked(seed) for seed in (1, 2, 1, 2)]
    assert [ended(listener).tokens for listener in together] == alone * 2


def test_a_closed_engine_ends_its_rows_and_takes_no_more(model: Model) -> None:
    engine = model.engine()
    running = Listener(10**6)
    engine.submit(model.row(0, running))
    engine.close()
    assert isinstance(ended(running).error, Unavailable)
    with pytest.raises(Unavailable):
        engine.submit(model.row(0, Listener(1)))
    _check_all_came_back(engine)


@pytest.mark.parametrize("padded", [False, True])
def test_a_sliding_window_is_kept_to(demo_folder: Path, tmp_path: Path, padded: bool) -> None:
    config = transformers.MistralConfig(
        vocab_size=200,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=8,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        transformers.MistralForCausalLM(config).save_pretrained(tmp_path)
    model = Model(tmp_path, torch.float32)
    engine = model.engine(padded=padded)
    listeners = [Listener(LONGEST) for _ in PROMPTS]
    for prompt, listener in enumerate(listeners):
        engine.submit(model.row(prompt, listener))
    assert [ended(listener).tokens for listener in listeners] == model.said
    engine.close()
