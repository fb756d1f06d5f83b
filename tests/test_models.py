"""Models: started once for all who wait, tried again after a failure, discovered at endpoints."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from backends.base import LoadProgress
from backends.echo import EchoBackend
from backends.errors import BackendError, ModelNotFound, Unavailable
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
