"""Another chat template is in force from the next reply on, and disturbs nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

import pytest

from backends.base import Backend
from backends.echo import EchoBackend
from backends.errors import BackendError, ModelNotFound, ModelUnsupported
from backends.local import Engines
from backends.options import EndpointOptions, LocalOptions
from webchat.models import GivenTemplate, Models, ModelSpec

T = TypeVar("T")

NEW = GivenTemplate("{{ new }}", "override/1")
NEWER = GivenTemplate("{{ newer }}", "override/2")


class Templated(EchoBackend):
    """Knows what it was made with, and whether it is closed."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec.name, load_seconds=0.02)
        assert isinstance(spec.options, LocalOptions)
        self.made_with = spec.options.chat_template
        self.source = spec.options.template_source
        self.starts, self.closed = 0, False

    async def start(self, progress: Any = None) -> None:
        self.starts += 1
        if self.made_with == "broken":
            raise ModelUnsupported("It cannot be loaded.")
        await super().start(progress)

    async def aclose(self) -> None:
        self.closed = True
        await super().aclose()


def models(*names: str, **options: Any) -> tuple[Models, list[Templated]]:
    made: list[Templated] = []

    def create(spec: ModelSpec) -> Templated:
        made.append(Templated(spec))
        return made[-1]

    return Models(
        [ModelSpec(name, "x", options=LocalOptions(name, **options)) for name in names], create
    ), made


def elsewhere(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task that nobody who uses a model has begun, as replies are."""
    return asyncio.create_task(work, context=Context())


def closed(backend: Backend) -> bool:
    assert isinstance(backend, Templated)
    return backend.closed


async def test_who_uses_a_model_ends_first_and_who_comes_next_waits() -> None:
    all_, made = models("a", "b")
    order: list[str] = []

    async def later(name: str) -> Templated:
        async with all_.use("a") as backend:
            order.append(name)
            assert isinstance(backend, Templated)
            return backend

    async with all_.use("b") as other, all_.use("a") as old:
        all_.use_template("a", NEW)
        waiting = [elsewhere(later("first")), elsewhere(later("second"))]
        await asyncio.sleep(0.05)
        assert order == []
        assert not closed(old)
        order.append("old")
    first, second = await asyncio.gather(*waiting)
    assert order == ["old", "first", "second"]
    assert first is second
    assert (first.made_with, first.source) == (NEW.text, NEW.source)
    assert closed(old)
    assert not closed(other)
    assert [backend.starts for backend in made] == [1, 1, 1]


async def test_going_back_takes_what_the_settings_say() -> None:
    all_, _ = models("a", chat_template="{{ file }}")
    for template, text in ((NEW, NEW.text), (NEWER, NEWER.text), (None, "{{ file }}"), (None, "{{ file }}")):
        all_.use_template("a", template)
        async with all_.use("a") as backend:
            assert isinstance(backend, Templated)
            assert backend.made_with == text
    with pytest.raises(ModelNotFound):
        all_.use_template("nobody", NEW)


def test_an_endpoint_keeps_its_own() -> None:
    spec = ModelSpec("m", "openai", options=EndpointOptions("http://127.0.0.1:8000/v1"))
    assert spec.under(NEW) is spec


async def test_the_same_template_again_starts_nothing() -> None:
    all_, made = models("a")
    for _ in range(3):
        all_.use_template("a", GivenTemplate(NEW.text, NEW.source))
        async with all_.use("a"):
            pass
    assert len(made) == 1


async def test_who_uses_it_twice_does_not_wait_for_themselves() -> None:
    """A moderator that asks the model whose reply it judges, say, in a task of its own."""
    all_, _ = models("a")

    async def again() -> None:
        async with all_.use("a"):
            pass

    async with asyncio.timeout(60), all_.use("a"):
        all_.use_template("a", NEW)
        await again()
        await asyncio.create_task(again())
    async with all_.use("a") as backend:
        assert isinstance(backend, Templated)
        assert backend.made_with == NEW.text


async def test_who_waits_may_leave() -> None:
    all_, _ = models("a")

    async def ask() -> None:
        async with all_.use("a"):
            pass

    async with all_.use("a"):
        all_.use_template("a", NEW)
        waiting = [elsewhere(ask()) for _ in range(3)]
        await asyncio.sleep(0.02)
        waiting[0].cancel()
        waiting[1].cancel()
        await asyncio.sleep(0.02)
    await waiting[2]


async def test_one_that_cannot_be_started_is_told_and_can_be_taken_back() -> None:
    all_, _ = models("a")
    async with all_.use("a"):
        pass
    all_.use_template("a", GivenTemplate("broken", "override/1"))
    for _ in range(2):
        with pytest.raises(BackendError):
            async with all_.use("a"):
                pass
    all_.use_template("a", None)
    async with all_.use("a") as backend:
        assert isinstance(backend, Templated)
        assert backend.made_with is None


async def test_a_model_that_is_shared_is_not_loaded_anew() -> None:
    """`engines` share what is loaded, as those of transformers do: the next begins before the last ends."""
    all_, made = models("a", engines=Engines())
    async with all_.use("a"):
        pass
    all_.use_template("a", NEW)
    closed_at_start: list[bool] = []
    start = Templated.start

    async def watched(self: Templated, progress: Any = None) -> None:
        closed_at_start.append(made[0].closed)
        await start(self, progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Templated, "start", watched)
        async with all_.use("a") as backend:
            assert backend is made[1]
    assert closed_at_start == [False]
    assert made[0].closed
