"""The backends that the contract suite runs over. Add one: append a `BackendCase` to `CASES`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from backends.base import Backend
from backends.echo import EchoBackend
from backends.errors import BackendError, FunctionFailed, ModelNotFound, Unavailable
from backends.function import FunctionBackend
from backends.llamacpp import LlamaCppBackend
from backends.local import LocalBackend
from backends.openai_compat import OpenAICompatBackend
from backends.options import EndpointOptions, FunctionOptions, LlamaCppOptions, LocalOptions
from tests import transformers_server
from tests.backends import functions
from tests.llama_server import LlamaServer


@dataclass(frozen=True, slots=True)
class BackendCase:
    """One backend under the law.

    make: a backend, not started; fixtures (a server, a model file) come from the request.
    live: how many streams hold a slot at this moment, asked of whatever really does the work.
    broken: a backend that cannot start or answer, and the error it must give.
    long: a prompt whose greedy reply has well over 60 tokens.
    unicode: a prompt whose greedy reply holds characters that the tokenizer splits (emoji, Chinese), and
    unicode_begun: the beginning of that reply, given as a prefill where that is what makes the model do it.
    tells_window: whether it must know how many tokens a conversation may have.
    """

    name: str
    make: Callable[[pytest.FixtureRequest], Backend]
    live: Callable[[Backend], Awaitable[int]]
    broken: Callable[[pytest.FixtureRequest], tuple[Backend, type[BackendError]]]
    long: str = "Write a long story about a lighthouse keeper and the sea."
    unicode: str = "Repeat these: 🎉🚀👩‍🚀 你好，世界 🎉🚀👩‍🚀 你好，世界"
    unicode_begun: str = ""
    tells_window: bool = True
    marks: tuple[pytest.MarkDecorator, ...] = ()


async def _echo_live(backend: Backend) -> int:
    assert isinstance(backend, EchoBackend)
    return backend.live


ECHO = BackendCase(
    name="echo",
    make=lambda _: EchoBackend(rate=1000, context_length=1000),
    live=_echo_live,
    broken=lambda _: (EchoBackend(start_errors=[Unavailable("Not running.")] * 2), Unavailable),
    long=" ".join(f"w{n}" for n in range(300)),
)


def _openai(request: pytest.FixtureRequest) -> Backend:
    server: LlamaServer = request.getfixturevalue("llama_server")
    return OpenAICompatBackend(EndpointOptions(server.url, server.model))


async def _openai_live(backend: Backend) -> int:
    assert isinstance(backend, OpenAICompatBackend)
    return await asyncio.to_thread(LlamaServer(backend.address.root).busy_slots)


def _nobody(_: pytest.FixtureRequest) -> tuple[Backend, type[BackendError]]:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    return OpenAICompatBackend(EndpointOptions(f"http://127.0.0.1:{port}/v1", "any")), Unavailable


OPENAI = BackendCase(name="openai", make=_openai, live=_openai_live, broken=_nobody)


def _llamacpp(request: pytest.FixtureRequest) -> Backend:
    pytest.importorskip("xllamacpp")
    path: Path = request.getfixturevalue("demo_gguf")
    return LlamaCppBackend(LlamaCppOptions(path=path, context_length=1024, slots=4))


async def _llamacpp_live(backend: Backend) -> int:
    assert isinstance(backend, LlamaCppBackend)
    return backend.live


LLAMACPP = BackendCase(
    name="llamacpp",
    make=_llamacpp,
    live=_llamacpp_live,
    broken=lambda request: (
        LlamaCppBackend(LlamaCppOptions(path=request.getfixturevalue("tmp_path") / "missing.gguf")),
        ModelNotFound,
    ),
)


def _local(request: pytest.FixtureRequest) -> Backend:
    pytest.importorskip("transformers")
    return LocalBackend(LocalOptions(source=str(request.getfixturevalue("demo_folder")), threads=1))


async def _local_live(backend: Backend) -> int:
    assert isinstance(backend, LocalBackend)
    return backend.live


def _no_folder(request: pytest.FixtureRequest) -> tuple[Backend, type[BackendError]]:
    return LocalBackend(LocalOptions(source=str(request.getfixturevalue("tmp_path")))), ModelNotFound


LOCAL = BackendCase(name="local", make=_local, live=_local_live, broken=_no_folder)


def _one_by_one(request: pytest.FixtureRequest) -> Backend:
    pytest.importorskip("transformers")
    return LocalBackend(
        LocalOptions(source=str(request.getfixturevalue("demo_folder")), threads=1, batching=False)
    )


ONE_BY_ONE = BackendCase(name="local-plain", make=_one_by_one, live=_local_live, broken=_no_folder)


def _served(request: pytest.FixtureRequest) -> Backend:
    address: str = request.getfixturevalue("transformers_server")
    return OpenAICompatBackend(EndpointOptions(f"{address}/v1", str(request.getfixturevalue("demo_folder"))))


async def _served_live(backend: Backend) -> int:
    assert isinstance(backend, OpenAICompatBackend)
    return await asyncio.to_thread(transformers_server.busy, backend.address.root)


SERVED = BackendCase(
    name="transformers-serve",
    make=_served,
    live=_served_live,
    broken=_nobody,
    tells_window=False,
    marks=(pytest.mark.slow, pytest.mark.timeout(600)),
)


async def _function_live(backend: Backend) -> int:
    assert isinstance(backend, FunctionBackend)
    return backend.live


def _broken_function(_: pytest.FixtureRequest) -> tuple[Backend, type[BackendError]]:
    def broken(message: str, history: object) -> str:
        raise ValueError(message)

    return FunctionBackend(FunctionOptions(broken)), FunctionFailed


def _function(function: Callable[..., object]) -> BackendCase:
    return BackendCase(
        name=f"function-{function.__name__}",
        make=lambda _: FunctionBackend(FunctionOptions(function, slots=8)),
        live=_function_live,
        broken=_broken_function,
        long=" ".join(f"word{n}" for n in range(300)),
        tells_window=False,
    )


FUNCTIONS = [
    _function(kind)
    for kind in (
        functions.at_once,
        functions.awaited,
        functions.cumulative,
        functions.events,
        functions.stubborn,
    )
]

CASES = [ECHO, *FUNCTIONS, OPENAI, LLAMACPP, LOCAL, ONE_BY_ONE, SERVED]
