"""Addresses of endpoints: whatever people write, every URL is built from its parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.base import collect
from backends.errors import BadRequest
from backends.openai_compat import Address, OpenAICompatBackend, RemoteModel, list_models
from backends.options import EndpointOptions
from backends.types import Message, Request
from tests.backends.hostile_server import DONE, HostileServer, says, sse

AZURE = "/openai/deployments/gpt-4o"
VERSION = "api-version=2025-01-01-preview"
HELLO = Request((Message("user", "Hi"),))
GOOD = sse(says("Hi", finish="stop"), DONE)

WRITTEN = [
    ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
    ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1"),
    ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
    ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
    ("http://127.0.0.1:8000/v1//", "http://127.0.0.1:8000/v1"),
    ("  http://127.0.0.1:8000/v1\n", "http://127.0.0.1:8000/v1"),
    ("http://127.0.0.1:8000/v1/chat/completions", "http://127.0.0.1:8000/v1"),
    ("http://127.0.0.1:8000/v1/chat/completions/", "http://127.0.0.1:8000/v1"),
    ("http://127.0.0.1:8000/v1/models", "http://127.0.0.1:8000/v1"),
    ("http://127.0.0.1:8000/chat/completions", "http://127.0.0.1:8000/v1"),
    ("HTTP://LocalHost:8000/v1", "http://localhost:8000/v1"),
    ("https://api.example.com:443/v1", "https://api.example.com/v1"),
    ("http://127.0.0.1:80/v1", "http://127.0.0.1/v1"),
    ("https://api.example.com/api/v3#top", "https://api.example.com/api/v3"),
    ("localhost:8000", "http://localhost:8000/v1"),
    ("localhost", "http://localhost/v1"),
    ("127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
    ("192.168.1.20", "http://192.168.1.20/v1"),
    ("//gpu-box:8000/v1", "http://gpu-box:8000/v1"),
    ("host.docker.internal:11434", "http://host.docker.internal:11434/v1"),
    ("http://my_service:8000", "http://my_service:8000/v1"),
    ("http://[::1]:8000", "http://[::1]:8000/v1"),
    ("[::1]:8000", "http://[::1]:8000/v1"),
    ("http://[2001:DB8::0:1]/v1", "http://[2001:db8::1]/v1"),
    ("http://[fe80::1%25eth0]:8000", "http://[fe80::1%25eth0]:8000/v1"),
    ("https://bücher.example/v1", "https://xn--bcher-kva.example/v1"),
    ("https://straße.example/v1", "https://xn--strae-oqa.example/v1"),
    ("https://模型.例子/v1", "https://xn--xgs754b.xn--fsqu00a/v1"),
    ("https://api.example.com/模型/v1", "https://api.example.com/%E6%A8%A1%E5%9E%8B/v1"),
]


@pytest.mark.parametrize(("written", "base"), WRITTEN)
def test_both_routes_are_built_on_one_base(written: str, base: str) -> None:
    address = Address.parse(written)
    assert address.base == base
    assert address.chat == f"{base}/chat/completions"
    assert address.models == f"{base}/models"


@pytest.mark.parametrize(
    ("written", "chat"),
    [
        (f"http://h:1{AZURE}?{VERSION}", f"http://h:1{AZURE}/chat/completions?{VERSION}"),
        (f"http://h:1{AZURE}/?{VERSION}", f"http://h:1{AZURE}/chat/completions?{VERSION}"),
        (f"http://h:1{AZURE}/chat/completions?{VERSION}", f"http://h:1{AZURE}/chat/completions?{VERSION}"),
        ("http://h:1?key=a&b=c", "http://h:1/v1/chat/completions?key=a&b=c"),
        ("http://h:1/v1/?key=a%2Fb#x", "http://h:1/v1/chat/completions?key=a%2Fb"),
        ("http://h:1/v1?", "http://h:1/v1/chat/completions"),
        ("http://h:1/v1?n=ä", "http://h:1/v1/chat/completions?n=%C3%A4"),
    ],
)
def test_a_query_stands_behind_the_path(written: str, chat: str) -> None:
    address = Address.parse(written)
    assert address.chat == chat
    assert address.models == chat.replace("/chat/completions", "/models")


@pytest.mark.parametrize(
    ("written", "cure"),
    [
        ("", "http://127.0.0.1:8000/v1"),
        ("model", "http://127.0.0.1:8000/v1"),
        ("ftp://host/v1", "http://127.0.0.1:8000/v1"),
        ("ws://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://", "http://127.0.0.1:8000/v1"),
        ("http:/127.0.0.1", "http://127.0.0.1:8000/v1"),
        ("http:localhost:8000", "http://127.0.0.1:8000/v1"),
        ("http://[::1/v1", "http://127.0.0.1:8000/v1"),
        ("http://[::g]/v1", "http://127.0.0.1:8000/v1"),
        ("http://host:port/v1", "http://127.0.0.1:8000/v1"),
        ("http://host:99999/v1", "http://127.0.0.1:8000/v1"),
        ("http://two words/v1", "http://127.0.0.1:8000/v1"),
        ("http://host\\v1", "http://127.0.0.1:8000/v1"),
        ("http://a..b/\x00", "http://127.0.0.1:8000/v1"),
        ("http：//127.0.0.1", "http://127.0.0.1:8000/v1"),
        ("api.example.com/v1", "https://api.example.com/v1"),
        ("93.184.215.14:8000", "https://93.184.215.14:8000"),
        ("me:secret-word@api.example.com/v1", "https://api.example.com/v1"),
        ("http://me:secret-word@127.0.0.1:8000/v1", "API key"),
        ("http://me@127.0.0.1:8000/v1", "API key"),
    ],
)
def test_what_is_no_address_is_refused_with_the_cure(written: str, cure: str) -> None:
    with pytest.raises(BadRequest) as caught:
        Address.parse(written)
    assert cure in caught.value.cure
    assert "secret-word" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = Address.parse(text)
    except BadRequest:
        return
    assert Address.parse(address.base).base == address.base
    assert address.chat.isascii()


@pytest.mark.parametrize(
    ("url", "loopback", "remote"),
    [
        ("http://127.0.0.1:8000", True, False),
        ("http://127.9.9.9", True, False),
        ("http://[::1]:8000", True, False),
        ("http://localhost", True, False),
        ("http://a.localhost", True, False),
        ("http://192.168.1.5", False, False),
        ("http://gpu-box", False, False),
        ("http://[fe80::1%25eth0]", False, False),
        ("https://api.example.com", False, True),
        ("https://localhost.example.com", False, True),
    ],
)
def test_an_address_knows_how_far_it_is(url: str, loopback: bool, remote: bool) -> None:
    address = Address.parse(url)
    assert (address.loopback, address.remote) == (loopback, remote)


def test_a_place_is_fit_to_be_shown() -> None:
    assert Address.parse("http://[::1]:8000/v1?key=secret-word").place == "[::1]:8000"
    assert Address.parse("https://bücher.example").place == "bücher.example"
    address = Address.parse(f"http://h:1/v1?key=secret-word&{VERSION}")
    assert address.shown(address.chat) == f"http://h:1/v1/chat/completions?key=***&{VERSION}"


def test_azure_takes_its_key_in_a_header_of_its_own() -> None:
    assert Address.parse("https://me.openai.azure.com/openai/v1").headers("k") == {"api-key": "k"}
    assert Address.parse("https://azure.com.example.org/v1").headers("k") == {"Authorization": "Bearer k"}
    assert Address.parse("https://api.example.com").headers(None) == {}


async def test_a_deployment_is_posted_to_and_is_its_only_model() -> None:
    async with HostileServer(GOOD) as server:
        url = server.url.removesuffix("/v1") + f"{AZURE}?{VERSION}"
        assert await list_models(url) == (RemoteModel("gpt-4o"),)
        backend = OpenAICompatBackend(EndpointOptions(url))
        await collect(backend.stream(HELLO))
        await backend.aclose()
    (request,) = server.requests
    assert request.path == f"{AZURE}/chat/completions?{VERSION}"
    assert request.body["model"] == "gpt-4o"
