"""Models: started once for all who wait, tried again after a failure, discovered at endpoints."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.base import Footprint, LoadProgress, collect
from backends.echo import EchoBackend
from backends.errors import BackendError, ModelNotFound, OutOfMemory, Unavailable
from backends.openai_compat import RemoteModel
from backends.options import EndpointOptions, LlamaCppOptions, LocalOptions
from backends.types import Message, Request, Sampling
from webchat.api.wire.models import Model
from webchat.models import Models, ModelSpec
from webchat.models.room import ModelTooLarge, NoRoom, Tenant, beside, leaving, total
from webchat.store.records import Owner

GB = 10**9
OPERATOR = Owner("op", "operator", "Op", None, datetime.now(UTC))
HELLO = Request((Message("user", "Hello"),), Sampling(temperature=0, max_tokens=4))


def one(backend: EchoBackend) -> Models:
    return Models([ModelSpec(name="m", kind="echo")], lambda spec: backend)


class Counting(EchoBackend):
    """Counts its starts and reports progress from another thread, as engines do."""

    starts = 0

    async def start(self, progress=None) -> None:  # type: ignore[no-untyped-def]
        self.starts += 1
        if progress is not None:
            thread = threading.Thread(target=progress, args=(LoadProgress("downloading", 5, 10),))
            thread.start()
            await asyncio.to_thread(thread.join)
        await asyncio.sleep(0.05)
        await super().start()


async def test_all_who_wait_share_one_start_and_its_progress() -> None:
    backend = Counting()
    models = one(backend)
    assert models.infos()[0].status == "idle"
    seen: list[LoadProgress] = []
    waits = [
        asyncio.create_task(models.ready("m", lambda progress, eta: seen.append(progress))) for _ in range(3)
    ]
    await asyncio.sleep(0.02)
    assert models.infos()[0].status == "loading"
    assert {id(b) for b in await asyncio.gather(*waits)} == {id(backend)}
    assert backend.starts == 1
    assert seen == [LoadProgress("downloading", 5, 10)] * 3
    assert models.infos()[0].status == "ready"
    assert models.infos()[0].progress is None


async def test_a_caller_who_leaves_does_not_stop_the_start() -> None:
    backend = Counting()
    models = one(backend)
    first = asyncio.create_task(models.ready("m"))
    await asyncio.sleep(0.01)
    first.cancel()
    assert await models.ready("m") is backend
    assert backend.starts == 1


async def test_a_failed_start_is_shown_and_tried_again() -> None:
    models = one(EchoBackend(start_errors=[Unavailable("Off.")]))
    with pytest.raises(Unavailable):
        await models.ready("m")
    info = models.infos()[0]
    assert (info.status, str(info.failure)) == ("failed", "Off.")
    await models.ready("m")
    assert models.infos()[0].status == "ready"
    assert models.infos()[0].failure is None


async def test_a_backend_that_cannot_be_made_is_a_failure_too() -> None:
    def create(spec: ModelSpec) -> EchoBackend:
        raise ModelNotFound("No such file.")

    models = Models([ModelSpec(name="m", kind="local")], create)
    for _ in range(2):
        with pytest.raises(ModelNotFound):
            await models.ready("m")
    assert models.infos()[0].status == "failed"


async def test_the_time_left_is_told_from_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float | None] = []
    now = 100.0
    monkeypatch.setattr("webchat.models.entry.time", SimpleNamespace(monotonic=lambda: now))

    class Downloading(EchoBackend):
        async def start(self, progress=None) -> None:  # type: ignore[no-untyped-def]
            nonlocal now
            for second in range(4):
                progress(LoadProgress("downloading", second * 100, 1000))
                await asyncio.sleep(0.01)
                now += 1

    await one(Downloading()).ready("m", lambda progress, eta: told.append(eta))
    assert told[0] is None
    assert told[-1] == pytest.approx(7.0)


def endpoints(lists: dict[str, Sequence[str] | BackendError], **options: Any) -> Models:
    async def list_models(spec: ModelSpec) -> Sequence[RemoteModel]:
        found = lists[spec.name]
        if isinstance(found, BackendError):
            raise found
        return [RemoteModel(id) for id in found]

    specs = [
        ModelSpec(
            name=name,
            kind="openai",
            source=f"http://{name}",
            options=EndpointOptions(f"http://{name}"),
            server=name,
            label=name,
            discover=True,
        )
        for name in lists
    ]
    return Models(
        specs,
        lambda spec: EchoBackend(spec.endpoint.model or ""),
        list_models=list_models,
        **options,
    )


async def test_an_endpoints_models_take_its_place() -> None:
    lists: dict[str, Sequence[str] | BackendError] = {"one": ["a", "b"], "two": ["b", "c"]}
    models = endpoints(lists)
    assert [info.name for info in models.infos()] == ["one", "two"]
    for _ in range(2):
        await models.discover()
        assert [info.name for info in models.infos()] == ["a (one)", "b (one)", "b (two)", "c (two)"]
    assert models.default == "a (one)"
    assert (await models.ready("b (two)")).model == "b"
    lists["one"] = ["b"]
    await models.discover()
    assert [info.name for info in models.infos()] == ["b (one)", "b (two)", "c (two)"]


async def test_an_endpoint_that_is_off_says_so_and_is_asked_again() -> None:
    lists: dict[str, Sequence[str] | BackendError] = {"one": Unavailable("Off.")}
    models = endpoints(lists)
    await models.discover()
    assert [(i.name, i.status, str(i.failure)) for i in models.infos()] == [("one", "failed", "Off.")]
    with pytest.raises(Unavailable):
        await models.ready("one")
    lists["one"] = ["a"]
    assert (await models.ready("one")).model == "a"
    assert models.default == "a"


async def test_the_default_is_the_chosen_one_once_it_is_known() -> None:
    models = endpoints({"one": ["a", "b"]}, default="b")
    assert models.default == "one"
    await models.discover()
    assert models.default == "b"


async def test_secrets_stay_out_of_what_is_printed() -> None:
    options = EndpointOptions("http://host", api_key="hunter2")
    assert "hunter2" not in repr(ModelSpec(name="m", kind="openai", options=options)) + repr(options)
    assert "hunter2" not in repr(LocalOptions("me/model", token="hunter2"))
    with pytest.raises(ModelNotFound):
        one(EchoBackend()).spec("nobody")


async def test_closing_ends_starts_and_backends() -> None:
    models = one(Counting())
    waiting = asyncio.create_task(models.ready("m"))
    await asyncio.sleep(0.01)
    await models.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(Unavailable):
        await models.ready("m")
    await models.aclose()


class Weighing(EchoBackend):
    """Takes memory while it is started, and knows who is loaded beside it."""

    loaded: set[str]

    def __init__(self, name: str, size: int, loaded: set[str], **options: Any) -> None:
        super().__init__(name, memory=size, **options)
        self.loaded = loaded

    async def start(self, progress=None) -> None:  # type: ignore[no-untyped-def]
        await asyncio.sleep(0)
        self.loaded.add(self.model)

    async def aclose(self) -> None:
        assert not self.live, "a model in use is never unloaded"
        self.loaded.discard(self.model)


def several(sizes: dict[str, int], budget: int | None, pinned: str = "") -> tuple[Models, set[str]]:
    loaded: set[str] = set()
    specs = [ModelSpec(name=name, kind="echo", pinned=name == pinned) for name in sizes]
    models = Models(specs, lambda spec: Weighing(spec.name, sizes[spec.name], loaded), memory_budget=budget)
    return models, loaded


async def test_the_model_unused_longest_is_unloaded_for_another() -> None:
    models, loaded = several({"a": 4, "b": 4, "c": 4}, 10)
    for name in "ab":
        async with models.use(name):
            pass
    async with models.use("a"):
        pass
    async with models.use("c"):
        assert loaded == {"a", "c"}
    statuses = {info.name: info.status for info in models.infos()}
    assert statuses == {"a": "ready", "b": "idle", "c": "ready"}


async def test_a_pinned_model_and_one_in_use_stay_and_the_refusal_says_so() -> None:
    models, loaded = several({"a": 4, "b": 4, "c": 4}, 10, pinned="a")
    async with models.use("a"):
        pass
    async with models.use("b"):
        with pytest.raises(OutOfMemory) as refused:
            async with models.use("c"):
                pass
        assert "a (pinned)" in refused.value.message
        assert "b (in use)" in refused.value.message
        assert refused.value.cure
        assert loaded == {"a", "b"}
    async with models.use("c"):
        assert loaded == {"a", "c"}


async def test_a_model_that_fits_nowhere_is_told_before_anybody_asks() -> None:
    models, loaded = several({"a": 4, "huge": 40}, 10)
    info = {info.name: info for info in models.infos()}["huge"]
    assert info.status == "unfit"
    assert info.failure is not None
    assert "memory_budget" in info.failure.cure
    async with models.use("a"):
        pass
    with pytest.raises(OutOfMemory):
        await models.ready("huge")
    assert loaded == {"a"}, "nothing is unloaded for what does not fit anyway"


async def test_the_picker_is_told_the_state_of_each_model() -> None:
    models, _ = several({"a": 4 * GB, "b": 4 * GB, "huge": 40 * GB}, 10 * GB)
    async with models.use("a"):
        pass
    a, b, huge = (Model.read_by(OPERATOR, info) for info in models.infos())
    assert (a.status, a.load_seconds, a.failure, a.in_process) == ("ready", None, None, True)
    assert (b.status, b.failure) == ("idle", None)
    assert b.load_seconds is not None
    assert (huge.status, huge.load_seconds) == ("unfit", None)
    assert huge.failure is not None
    assert huge.failure.code == "model_too_large"
    assert huge.failure.params == {"model": "huge", "needed_gb": 40.0, "budget_gb": 10.0}


async def test_a_part_that_two_models_share_counts_once() -> None:
    class Sharing(EchoBackend):
        def footprint(self) -> Footprint:
            return Footprint("cpu", {"weights base": 8, f"adapter {self.model}": 1})

    models = Models(
        [ModelSpec(name=name, kind="echo") for name in "ab"],
        lambda spec: Sharing(spec.name),
        memory_budget=10,
    )
    async with models.use("a"):
        seconds = models.infos()[1].load_seconds
        assert seconds is not None
        assert seconds * models._rate == pytest.approx(1), "the weights under it are here already"
        rate = models._rate
        async with models.use("b"):
            assert {info.status for info in models.infos()} == {"ready"}
        assert models._rate == rate, "an adapter beside its base says nothing of how fast others load"


async def test_memory_that_runs_out_without_a_budget_unloads_what_nobody_uses() -> None:
    loaded: set[str] = set()

    class Crowded(Weighing):
        async def start(self, progress=None) -> None:  # type: ignore[no-untyped-def]
            if len(self.loaded) >= 2:
                raise OutOfMemory("Full.", cure="Wait.")
            await super().start()

    models = Models(
        [ModelSpec(name=name, kind="echo") for name in "abc"], lambda spec: Crowded(spec.name, 1, loaded)
    )
    for name in "abc":
        async with models.use(name):
            pass
    assert loaded == {"b", "c"}
    async with models.use("b"), models.use("c"):
        with pytest.raises(OutOfMemory):
            await models.ready("a")


async def test_how_long_a_load_takes_is_told_from_the_last_one() -> None:
    models, _ = several({"a": 400_000_000, "b": 100}, 10**9)
    idle = {info.name: info.load_seconds for info in models.infos()}
    assert idle["a"] == pytest.approx(2.0)
    async with models.use("a"):
        pass
    assert {info.name: info.load_seconds for info in models.infos()}["a"] is None


ASKS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3), st.booleans()), max_size=25)


@settings(max_examples=60, deadline=None)
@given(ASKS, st.integers(6, 14))
def test_whatever_is_asked_the_budget_holds_and_everything_settles(
    asks: list[tuple[str, int, bool]], budget: int
) -> None:
    # Collecting all garbage of a process that has run many other tests takes a quarter of a second.
    with patch("webchat.models.models.give_memory_back"):
        asyncio.run(_asked(asks, budget))


async def _asked(asks: list[tuple[str, int, bool]], budget: int) -> None:
    sizes = {"a": 2, "b": 3, "c": 5, "d": 6}
    models, loaded = several({name: size * GB for name, size in sizes.items()}, budget * GB, pinned="a")
    pinned_seen = False

    async def ask(name: str, steps: int) -> None:
        nonlocal pinned_seen
        try:
            async with models.use(name) as backend:
                pinned_seen = pinned_seen or name == "a"
                for _ in range(steps + 1):
                    assert name in loaded, "unloaded while in use"
                    assert sum(sizes[one] for one in loaded) <= budget
                    assert "a" in loaded or not pinned_seen, "a pinned model stays"
                    await asyncio.sleep(0)
                assert backend.model == name
        except NoRoom as refused:
            taken = float(refused.params["taken_gb"])
            assert sizes[name] <= budget, "it would fit alone"
            assert taken <= budget < taken + sizes[name]
        except ModelTooLarge:
            assert sizes[name] > budget

    tasks = []
    for name, steps, leaves in asks:
        task = asyncio.create_task(ask(name, steps))
        tasks.append(task)
        await asyncio.sleep(0)
        if leaves:
            task.cancel()
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        assert task.cancelled() or task.exception() is None, task.exception()
    assert all(not entry.users for entry in models._entries.values())
    # A start goes on although whoever wanted it has left.
    starts = [entry.starting for entry in models._entries.values() if entry.starting is not None]
    await asyncio.gather(*starts, return_exceptions=True)
    for name in sizes:  # nobody is left, so that each gets its turn beside the pinned one
        if sizes[name] + (sizes["a"] if name != "a" else 0) <= budget:
            async with models.use(name):
                pass
    await models.aclose()
    assert loaded == set()
    assert all(entry.starting is None or entry.starting.done() for entry in models._entries.values())


TENANTS = st.lists(
    st.builds(
        lambda name, device, size, base, why, since: Tenant(
            name,
            Footprint(device, {f"own {name}": size, **({f"base {base}": 4} if base else {})}),
            why,
            since,
        ),
        st.uuids().map(str),
        st.sampled_from(["cpu", "cpu", "mps", "cuda", "cuda:0", "cuda:1"]),
        st.integers(0, 6),
        st.sampled_from(["", "", "x", "y"]),
        st.sampled_from(["", "", "pinned", "in use"]),
        st.floats(0, 100),
    ),
    max_size=8,
)


@given(TENANTS, st.sampled_from(["cpu", "cuda"]), st.integers(0, 8), st.integers(0, 20))
def test_as_few_as_help_leave_and_only_those_that_may(
    tenants: list[Tenant], device: str, size: int, budget: int
) -> None:
    new = Footprint(device, {"new": size})
    near = beside(tenants, new)
    names = leaving(tenants, new, budget)
    kept = [one for one in near if names is None or one.name not in names]
    if names is None:
        assert total([new, *(one.footprint for one in near if one.fixed)]) > budget
        return
    assert total([new, *(one.footprint for one in kept)]) <= budget
    assert set(names) <= {one.name for one in near if not one.fixed}
    for one in near:
        if one.name in names:
            assert total([new, one.footprint, *(other.footprint for other in kept)]) > budget


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8, unique=True), st.integers(0, 8))
def test_of_equals_those_unused_longest_leave(used: list[float], room: int) -> None:
    tenants = [Tenant(str(since), Footprint("cpu", {f"own {since}": 1}), "", since) for since in used]
    names = leaving(tenants, Footprint("cpu", {"new": 1}), room + 1)
    assert names is not None
    stay = min(room, len(used))
    assert set(names) == {str(since) for since in sorted(used)[: len(used) - stay]}


async def test_without_a_budget_most_of_what_is_free_is_taken_and_measured_once() -> None:
    free = {"cpu": 10}
    asked: list[str] = []

    def measure(device: str) -> int:
        asked.append(device)
        return free[device]

    loaded: set[str] = set()
    sizes = {"a": 5, "b": 5, "huge": 10}
    models = Models(
        [ModelSpec(name=name, kind="echo") for name in sizes],
        lambda spec: Weighing(spec.name, sizes[spec.name], loaded),
        measure=measure,
    )
    assert {info.name: info.status for info in models.infos()} == {"a": "idle", "b": "idle", "huge": "unfit"}
    async with models.use("a"):
        free["cpu"] = 5
        with pytest.raises(NoRoom):
            await models.ready("b")
    async with models.use("b"):
        assert loaded == {"b"}
    assert asked == ["cpu"]


async def test_where_nothing_can_be_measured_only_the_engine_refuses() -> None:
    loaded: set[str] = set()
    models = Models(
        [ModelSpec(name=name, kind="echo") for name in "ab"],
        lambda spec: Weighing(spec.name, 10**15, loaded),
        measure=lambda device: None,
    )
    async with models.use("a"), models.use("b"):
        assert loaded == {"a", "b"}


class Growing(Weighing):
    """Takes more than its files say."""

    def footprint(self) -> Footprint:
        size = 6 if self.model in self.loaded else 3
        return Footprint("cpu", {f"weights {self.model}": size})


def growing(**options: Any) -> tuple[Models, set[str]]:
    loaded: set[str] = set()
    specs = [ModelSpec(name=name, kind="echo") for name in "ab"]
    return Models(specs, lambda spec: Growing(spec.name, 0, loaded), **options), loaded


async def test_a_model_that_takes_more_than_its_files_is_held_to_the_budget() -> None:
    models, loaded = growing(memory_budget=9)
    async with models.use("a"):
        pass
    async with models.use("b"):
        assert loaded == {"b"}, "the other had to go once this one was measured"
        with pytest.raises(NoRoom, match="a needs about"):
            await models.ready("a")
        assert loaded == {"b"}
    models, loaded = growing(memory_budget=5)
    with pytest.raises(ModelTooLarge):
        await models.ready("a")
    assert loaded == set()
    assert models.infos()[0].status == "unfit", "what was measured is remembered"


async def test_a_measured_budget_keeps_what_works() -> None:
    models, loaded = growing(measure=lambda device: 6)
    async with models.use("a"):
        assert loaded == {"a"}


async def test_what_has_no_room_now_is_not_shown_as_broken() -> None:
    models, _ = several({"a": 4, "b": 4}, 6)
    async with models.use("a"):
        with pytest.raises(NoRoom) as refused:
            await models.ready("b")
        assert refused.value.retryable
        assert {info.name: info.status for info in models.infos()}["b"] == "idle"
    async with models.use("b"):
        pass


async def test_two_that_do_not_fit_together_are_not_both_loaded() -> None:
    models, loaded = several({"a": 4, "b": 4}, 6)
    results = await asyncio.gather(models.ready("a"), models.ready("b"), return_exceptions=True)
    assert [type(result) for result in results] == [Weighing, NoRoom]
    assert loaded == {"a"}


async def test_a_model_that_fails_to_close_makes_room_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    class Stuck(Weighing):
        async def aclose(self) -> None:
            await super().aclose()
            raise RuntimeError("stuck")

    loaded: set[str] = set()
    models = Models(
        [ModelSpec(name=name, kind="echo") for name in "ab"],
        lambda spec: Stuck(spec.name, 4, loaded),
        memory_budget=6,
    )
    for name in "ab":
        async with models.use(name):
            assert loaded == {name}
    assert "closing model a failed" in caplog.text


async def test_the_download_is_no_part_of_how_long_a_load_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("webchat.models.entry.time", clock)
    monkeypatch.setattr("webchat.models.models.time", clock)

    class Fetched(EchoBackend):
        async def start(self, progress=None) -> None:  # type: ignore[no-untyped-def]
            nonlocal now
            for phase, seconds in (("connecting", 1), ("downloading", 600), ("loading", 4)):
                progress(LoadProgress(phase))  # type: ignore[arg-type]
                await asyncio.sleep(0.01)
                now += seconds

    models = Models([ModelSpec(name="m", kind="echo")], lambda spec: Fetched(memory=10), memory_budget=20)
    await models.ready("m")
    entry = models._entries["m"]
    assert entry.load_seconds == pytest.approx(4)
    async with models._making_room:
        await models._unload(entry)
    assert models.infos()[0].load_seconds == pytest.approx(4)


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process holds")
async def test_memory_goes_back_when_a_real_model_is_unloaded(demo_gguf: Path) -> None:
    pytest.importorskip("xllamacpp")
    specs = [
        ModelSpec(
            name=name, kind="llamacpp", options=LlamaCppOptions(demo_gguf, context_length=2048, slots=slots)
        )
        for slots, name in ((1, "one"), (2, "two"))
    ]
    models = Models(specs, memory_budget=700_000_000)
    try:
        before = resident()
        async with models.use("one") as backend:
            await collect(backend.stream(HELLO))
        held = resident() - before
        assert held > 250_000_000
        async with models.use("two") as backend:
            await collect(backend.stream(HELLO))
        statuses = {info.name: info.status for info in models.infos()}
        assert statuses == {"one": "idle", "two": "ready"}
        assert resident() - before < 1.5 * held, "both are held"
        await models.aclose()
        assert resident() - before < 0.4 * held
    finally:
        await models.aclose()
