"""Known providers, and the model servers that run on this machine."""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest
from pydantic import SecretStr

from backends.openai_compat import Address, Feature
from backends.providers import Found, looking, nearest, provider_at, provider_named, providers
from backends.providers.looking import look, recognize
from tests.child_server import serving
from webchat.commands import discover
from webchat.settings import BadSettings, Settings, load_settings, model_specs


def settings_of(tmp_path: Path, **environ: str) -> Settings:
    return load_settings(environ=environ, cwd=tmp_path).settings


def test_the_file_is_whole_and_dated() -> None:
    table = tomllib.loads(files("backends.providers").joinpath("providers.toml").read_text(encoding="utf-8"))
    assert isinstance(table["checked"], date)
    assert len(providers()) == len(table) - 1
    for name, one in providers().items():
        assert name == one.name.lower()
        assert one.title
        address = Address.parse(one.url)
        assert address.base == one.url, "as it is written"
        assert bool(one.ports) == address.loopback, "on this machine exactly where it has ports"
        assert one.ports[:1] in ((), (address.port,))
        assert bool(one.key) != address.loopback
        assert address.loopback or address.scheme == "https", "keys travel encrypted"
        assert set(one.leave_out) <= set(get_args(Feature))
    shared = [port for one in providers().values() if not one.owned_by for port in one.ports]
    assert len(shared) == len(set(shared)), "of servers on a port, one at most says nothing of itself"


@pytest.mark.parametrize(
    ("port", "owned_by", "name"),
    [
        (11434, "library", "ollama"),
        (1234, "organization_owner", "lmstudio"),
        (8000, "vllm", "vllm"),
        (8000, "some-org", "transformers"),
        (8080, "llamacpp", "llamacpp"),
        (8080, "some/model", "tgi"),
        (3000, "", "tgi"),
        (8080, "vllm", "vllm"),
        (1337, "", "jan"),
    ],
)
def test_servers_are_told_apart_by_what_they_answer(port: int, owned_by: str, name: str) -> None:
    found = recognize(port, owned_by)
    assert found is not None
    assert found.name == name


def test_a_server_that_is_not_known_is_none_of_them() -> None:
    assert recognize(11434, "somebody") is None


@asynccontextmanager
async def answering(status: str, body: object, *, silent: bool = False) -> AsyncIterator[int]:
    """A server on loopback that gives every request this answer; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        assert asked.startswith(b"GET /v1/models")
        assert b"authorization" not in asked.lower(), "no key is sent to whatever listens there"
        if not silent:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            head = f"HTTP/1.1 {status}\r\ncontent-length: {len(data)}\r\nconnection: close\r\n\r\n"
            writer.write(head.encode() + data)
        else:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_what_answers_is_found_and_the_rest_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    listing = {"object": "list", "data": [{"id": "qwen3", "owned_by": "vllm"}, {"id": "bge-m3"}]}
    async with (
        answering("200 OK", listing) as models,
        answering("401 Unauthorized", {"error": "key"}) as locked,
        answering("200 OK", {"data": []}) as empty,
        answering("200 OK", b"<html>a web page") as page,
        answering("404 Not Found", {}) as other,
        answering("200 OK", {}, silent=True) as silent,
    ):
        found = await look([models, locked, empty, page, other, 1], within=60)
        assert await look([silent], within=0.1) == ()
    assert found == (
        Found(f"http://127.0.0.1:{models}/v1", provider_named("vllm"), ("qwen3",)),
        Found(f"http://127.0.0.1:{locked}/v1", None, (), needs_key=True),
        Found(f"http://127.0.0.1:{empty}/v1", None, ()),
    )
    assert [one.setting for one in found] == [one.url for one in found], "not where its name means"


async def test_only_loopback_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def listed(url: str, **_: float) -> tuple[()]:
        asked.append(url)
        return ()

    monkeypatch.setattr(looking, "list_models", listed)
    await look()
    assert len(asked) == len(set(asked)) >= 7
    assert all(Address.parse(url).host == "127.0.0.1" for url in asked)


def test_the_command_says_how_to_use_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    ollama = provider_named("ollama")
    assert ollama is not None
    found = [
        Found(ollama.url, ollama, ("a", "b", "c", "d", "e")),
        Found("http://127.0.0.1:8000/v1", None, needs_key=True),
        Found("http://127.0.0.1:3000/v1", provider_named("tgi")),
    ]

    async def looked() -> tuple[Found, ...]:
        return tuple(found)

    monkeypatch.setattr(discover, "look", looked)
    assert discover.discover().splitlines() == [
        "Ollama at http://127.0.0.1:11434/v1: a, b, c and 2 more",
        "    webchat --endpoint ollama",
        "An OpenAI-compatible server at http://127.0.0.1:8000/v1 needs a key:",
        "    OPENAI_API_KEY=... webchat --endpoint http://127.0.0.1:8000/v1",
        "Text Generation Inference at http://127.0.0.1:3000/v1 has no chat model yet. Once it has one:",
        "    webchat --endpoint http://127.0.0.1:3000/v1",
    ]
    found.clear()
    assert "No model server answers on this machine" in discover.discover()
    assert "11434" in discover.discover()


def test_a_name_stands_for_the_address_and_its_own_key(tmp_path: Path) -> None:
    both = {"WEBCHAT_ENDPOINT": "Groq", "GROQ_API_KEY": "gsk", "OPENAI_API_KEY": "sk-of-another"}
    settings = settings_of(tmp_path, **both)
    assert settings.endpoint == "https://api.groq.com/openai/v1"
    assert settings.api_key == SecretStr("gsk")
    own = settings_of(tmp_path, **both, WEBCHAT_API_KEY="mine")
    assert own.api_key == SecretStr("mine"), "one given on purpose wins"
    local = settings_of(tmp_path, WEBCHAT_ENDPOINT="ollama", OPENAI_API_KEY="sk-of-another")
    assert (local.endpoint, local.api_key) == ("http://127.0.0.1:11434/v1", None)
    url = settings_of(tmp_path, OPENAI_BASE_URL="https://api.groq.com/openai/v1", OPENAI_API_KEY="k")
    assert url.api_key == SecretStr("k"), "an address is used as before"


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"WEBCHAT_ENDPOINT": "groq", "OPENAI_API_KEY": "sk"},
            'endpoint = "groq" needs a key: set GROQ_API_KEY',
        ),
        ({"WEBCHAT_ENDPOINT": "olama"}, "such as ollama or openrouter. Did you mean ollama?"),
        ({"WEBCHAT_ENDPOINT": "qwertz"}, "such as ollama or openrouter."),
        ({"WEBCHAT_MODELS": '[{"endpoint": "mistral"}]'}, "set MISTRAL_API_KEY"),
    ],
    ids=["key", "nearest", "none", "models"],
)
def test_a_wrong_name_or_missing_key_is_a_sentence(
    environ: dict[str, str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(BadSettings) as refused:
        settings_of(tmp_path, **environ)
    assert str(refused.value).count("\n") == 0
    assert said in str(refused.value)


def test_models_in_the_list_have_names_keys_and_quirks_too(tmp_path: Path) -> None:
    (tmp_path / "webchat.toml").write_text(
        '[[models]]\nendpoint = "mistral"\nmodel = "small"\n[[models]]\nendpoint = "vllm"\n', encoding="utf-8"
    )
    first, second = model_specs(settings_of(tmp_path, MISTRAL_API_KEY="m", OPENAI_API_KEY="sk"))
    assert (first.api_key, first.leave_out) == (SecretStr("m"), ("seed",))
    assert (second.endpoint, second.api_key, second.leave_out) == ("http://127.0.0.1:8000/v1", None, ())


def test_names_are_found_by_address_and_by_likeness() -> None:
    found = provider_at("https://openrouter.ai/api/v1/")
    assert found is not None
    assert found.name == "openrouter"
    assert provider_at("http://elsewhere/v1") is None
    assert (nearest("OpenRoter"), nearest("zzz")) == ("openrouter", None)


@pytest.mark.slow
async def test_a_real_llama_cpp_server_on_its_usual_port_is_found(demo_gguf: Path) -> None:
    with serving("tests.llama_server", str(demo_gguf), "8080") as address:
        assert address == "http://127.0.0.1:8080"
        (found,) = [one for one in await look() if one.url == f"{address}/v1"]
    assert (found.provider, found.models, found.setting) == (
        provider_named("llamacpp"),
        ("smol",),
        "llamacpp",
    )
