"""Models: started once for all who wait, tried again after a failure, discovered at endpoints."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.base import Footprint, LoadProgress
from backends.echo import EchoBackend
from backends.errors import BackendError, ModelNotFound, OutOfMemory, Unavailable
from webchat.models import Models, ModelSpec


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
    async def list_models(spec: ModelSpec) -> Sequence[str]:
        found = lists[spec.name]
        if isinstance(found, BackendError):
            raise found
        return found

    specs = [ModelSpec(name=name, kind="openai", source=f"http://{name}", discover=True) for name in lists]
    return Models(
        specs,
        lambda spec: EchoBackend(spec.options["model"]),
        list_models=list_models,
        **options,
    )


async def test_an_endpoints_models_take_its_place() -> None:
    lists: dict[str, Sequence[str] | BackendError] = {"one": ["a", "b"], "two": ["b", "c"]}
    models = endpoints(lists)
    assert [info.name for info in models.infos()] == ["one", "two"]
    for _ in range(2):
        await models.discover()
        assert [info.name for info in models.infos()] == ["a", "b", "b (two)", "c"]
    assert models.default == "a"
    assert (await models.ready("b (two)")).model == "b"
    lists["one"] = ["b"]
    await models.discover()
    assert [info.name for info in models.infos()] == ["b", "b (two)", "c"]


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
    spec = ModelSpec(name="m", kind="openai", options={"api_key": "hunter2"})
    assert "hunter2" not in repr(spec)
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


async def test_a_part_that_two_models_share_counts_once() -> None:
    class Sharing(EchoBackend):
        def footprint(self) -> Footprint:
            return Footprint("cpu", {"weights base": 8, f"adapter {self.model}": 1})

    models = Models(
        [ModelSpec(name=name, kind="echo") for name in "ab"],
        lambda spec: Sharing(spec.name),
        memory_budget=10,
    )
    async with models.use("a"), models.use("b"):
        assert {info.status for info in models.infos()} == {"ready"}


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
    models, _ = several({"a": 400_000_000, "b": 100}, None)
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
    asyncio.run(_asked(asks, budget))


async def _asked(asks: list[tuple[str, int, bool]], budget: int) -> None:
    sizes = {"a": 2, "b": 3, "c": 5, "d": 6}
    models, loaded = several(sizes, budget, pinned="a")

    async def ask(name: str, steps: int) -> None:
        try:
            async with models.use(name) as backend:
                for _ in range(steps + 1):
                    assert name in loaded, "unloaded while in use"
                    assert sum(sizes[one] for one in loaded) <= budget
                    await asyncio.sleep(0)
                assert backend.model == name
        except OutOfMemory:
            pass

    tasks = []
    for name, steps, leaves in asks:
        task = asyncio.create_task(ask(name, steps))
        tasks.append(task)
        await asyncio.sleep(0)
        if leaves:
            task.cancel()
    async with asyncio.timeout(20):
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        assert task.cancelled() or task.exception() is None, task.exception()
    assert all(not entry.users for entry in models._entries.values())
    await models.aclose()
    assert loaded == set()
