"""Ways to an endpoint, on real sockets: TLS, proxies, IPv6, names with several addresses."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from backends._proxies import NO_PROXY_VARIABLES, PROXY_VARIABLES
from backends.base import collect
from backends.errors import Unavailable
from backends.openai_compat import OpenAICompatBackend
from backends.options import EndpointOptions
from backends.types import Message, Request
from tests.backends.hostile_server import DONE, HostileServer, says, sse

GOOD = sse(says("Hi", finish="stop"), DONE)
NAME = "model.example"
"""Nobody has this name; only a proxy, or a test, knows where it is."""


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXY_VARIABLES, *NO_PROXY_VARIABLES, "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


async def ask(url: str) -> str:
    backend = OpenAICompatBackend(EndpointOptions(url, "m", retries=0))
    try:
        return (await collect(backend.stream(Request((Message("user", "Hello"),))))).text
    finally:
        await backend.aclose()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for 127.0.0.1 that nobody has signed but itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@asynccontextmanager
async def relay(port: int, **options: Any) -> AsyncIterator[int]:
    """The port of a server that hands on to another. options: of `asyncio.start_server`."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hand_on(reader, writer, port)

    server = await asyncio.start_server(handle, options.pop("host", "127.0.0.1"), 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    their_reader, their_writer = await asyncio.open_connection("127.0.0.1", port)

    async def copy(one: asyncio.StreamReader, other: asyncio.StreamWriter) -> None:
        try:
            while data := await one.read(65536):
                other.write(data)
                await other.drain()
        except OSError:
            pass
        finally:
            other.close()

    await asyncio.gather(copy(reader, their_writer), copy(their_reader, writer))


@asynccontextmanager
async def over_tls(port: int, certificate: Path) -> AsyncIterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    async with relay(port, ssl=context) as secure:
        yield secure


async def test_an_authority_of_ones_own_is_believed_where_it_is_named(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with HostileServer(GOOD) as server, over_tls(server.port, certificate) as port:
        with pytest.raises(Unavailable, match="not trusted") as caught:
            await ask(f"https://127.0.0.1:{port}/v1")
        assert "SSL_CERT_FILE" in caught.value.cure
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert await ask(f"https://127.0.0.1:{port}/v1") == "Hi"
        with pytest.raises(Unavailable, match="another name"):
            await ask(f"https://localhost:{port}/v1")
        assert len(server.requests) == 1


async def test_a_file_of_authorities_that_cannot_be_read_is_named(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = certificate.with_name("empty.pem")
    empty.touch()
    for path in (certificate.with_name("missing.pem"), empty):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        with pytest.raises(Unavailable, match="SSL_CERT_FILE"):
            await ask("https://127.0.0.1:9/v1")


async def test_a_server_without_tls_says_so() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(5)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    with pytest.raises(Unavailable, match="TLS") as caught:
        await ask(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    assert "http://" in caught.value.cure
    server.close()


async def test_a_name_that_nobody_has_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with addresses(monkeypatch), pytest.raises(Unavailable, match="cannot be resolved"):
        await ask(f"http://{NAME}/v1")


async def test_an_address_of_ipv6_is_reached() -> None:
    async with HostileServer(GOOD) as server:
        try:
            async with relay(server.port, host="::1") as port:
                assert await ask(f"http://[::1]:{port}/v1") == "Hi"
        except OSError as error:
            pytest.skip(f"no IPv6 here: {error}")


async def test_of_several_addresses_one_that_is_dead_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async with HostileServer(GOOD) as server:
        with addresses(monkeypatch, "127.0.0.9", "127.0.0.1"):
            assert await ask(f"http://{NAME}:{server.port}/v1") == "Hi"


@contextmanager
def addresses(monkeypatch: pytest.MonkeyPatch, *known: str) -> Iterator[None]:
    """The name has these addresses."""
    really = socket.getaddrinfo

    def lookup(host: Any, port: Any, *args: Any, **options: Any) -> list[Any]:
        if host != NAME:
            return really(host, port, *args, **options)
        if not known:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known]

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", lookup)
        yield


@asynccontextmanager
async def socks(port: int, asked: list[tuple[int, bytes]]) -> AsyncIterator[int]:
    """The port of a SOCKS 5 proxy to which every name is the server at `port`. asked: kinds of address, and
    addresses."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly((await reader.readexactly(2))[1])
        writer.write(b"\x05\x00")
        kind = (await reader.readexactly(4))[3]
        size = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        asked.append((kind, await reader.readexactly(size)))
        await reader.readexactly(2)
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await hand_on(reader, writer, port)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize(
    ("scheme", "kind", "address"), [("socks5h", 3, NAME.encode()), ("socks5", 1, bytes([192, 0, 2, 7]))]
)
async def test_a_socks_proxy_is_asked_for_the_name_or_for_its_address(
    scheme: str, kind: int, address: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, bytes]] = []
    async with HostileServer(GOOD) as server, socks(server.port, asked) as port:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{port}")
        with addresses(monkeypatch, "192.0.2.7"):
            assert await ask(f"http://{NAME}/v1") == "Hi"
        assert (kind, address) in asked
        assert len({*asked}) == 1


@pytest.mark.parametrize("exempt", [NAME, ".example", "*.example", "other, 10.0.0.0/8 ; MODEL.example", "*"])
async def test_a_host_that_is_exempt_is_reached_without_the_proxy(
    exempt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with HostileServer(GOOD) as server:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        with addresses(monkeypatch, "127.0.0.1"):
            with pytest.raises(Unavailable, match="proxy"):
                await ask(f"http://{NAME}:{server.port}/v1")
            monkeypatch.setenv("NO_PROXY", exempt)
            assert await ask(f"http://{NAME}:{server.port}/v1") == "Hi"
