"""Deliveries to a real receiver: signed, retried, over a restart, and never into a private network."""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from standardwebhooks import Webhook as Verifier

from tests.store.talk import Talk
from webchat.store import Store
from webchat.store.judgement_records import Vote
from webchat.store.records import ConversationSettings, NewSide, NewTurn
from webchat.store.webhook_records import Webhook
from webchat.webhooks import AddressRefused, BadWebhook, Deliverer, Sender, delivering, new_webhook
from webchat.webhooks.addresses import PublicResolver, is_public


@dataclass
class Receiver:
    """Answers with these statuses, the last one over and over. told: headers and bodies of what came."""

    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [200])
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.told.append(
            ({name.lower(): value for name, value in request.headers.items()}, await request.read())
        )
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        elsewhere = {"location": f"{self.url}/elsewhere"} if status == 302 else {}
        return web.Response(status=status, headers=elsewhere)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_post("/{rest:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(f"sqlite:///{tmp_path / 'chat.db'}")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "PAUSES", (0.01, 0.01))


def hook(store: Store, receiver: Receiver, **options: Any) -> Webhook:
    return new_webhook(store, receiver.url, (), **{"content": False, "private": True, **options})


@asynccontextmanager
async def telling(store: Store, *, private: bool = True) -> AsyncIterator[None]:
    task = asyncio.create_task(Deliverer(store, Sender(private=private), look_seconds=0.01).serve())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def settled(store: Store) -> tuple[int, int, str]:
    """What waits, what was given up, and the last problem, once nothing waits."""
    while True:
        (one,) = await store.call(store.list_webhooks)
        if not one.waiting:
            return one.waiting, one.dead, one.webhook.problem
        await asyncio.sleep(0.01)


def talk(store: Store) -> Talk:
    return Talk(store, store.create_owner("visitor", "Ada").id)


async def test_a_reply_is_told_once_and_its_signature_holds(store: Store, receiver: Receiver) -> None:
    made = hook(store, receiver)
    async with telling(store):
        begun = talk(store).say("Hello", "Hi")
        assert await settled(store) == (0, 0, "")
    ((headers, body),) = receiver.told
    told = Verifier(made.secret).verify(body, headers)
    assert told["type"] == "reply.ended"
    assert told["data"]["message_id"] == begun.reply.id
    assert "Hi" not in body.decode()
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(made.secret).verify(body.replace(b"complete", b"stopped"), headers)


async def test_a_vote_is_told_over_http_without_its_comment(store: Store, receiver: Receiver) -> None:
    made = new_webhook(store, receiver.url, ("vote.saved",), content=False, private=True)
    ada, side = talk(store), NewSide("echo", "echo", ConversationSettings())
    async with telling(store):
        begun = store.begin_comparison(ada.owner, NewTurn(None, None, "which", "k", "echo"), side, side)
        for one in begun.sides or ():
            ada.finish(one.reply.id, "this")
        assert begun.reply.compared
        store.vote_on(ada.owner, begun.reply.compared.id, Vote("left", comment="secret"))
        assert await settled(store) == (0, 0, "")
    ((headers, body),) = receiver.told
    told = Verifier(made.secret).verify(body, headers)
    assert (told["type"], told["data"]["preferred"]) == ("vote.saved", "left")
    assert told["data"]["comparison_id"] == begun.reply.compared.id
    assert "secret" not in body.decode()


def test_the_signature_is_what_the_specification_says() -> None:
    secret, at = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", datetime(2021, 2, 25, 15, 2, 10, tzinfo=UTC)
    signed = f"msg_1.{int(at.timestamp())}.{{}}".encode()
    by_hand = base64.b64encode(hmac.digest(base64.b64decode(secret), signed, "sha256")).decode()
    assert Verifier(f"whsec_{secret}").sign("msg_1", at, "{}") == f"v1,{by_hand}"


async def test_a_failed_attempt_is_repeated_with_the_same_id(store: Store, receiver: Receiver) -> None:
    hook(store, receiver)
    receiver.statuses = [500, 302, 204]
    async with telling(store):
        talk(store).say("Hello", "Hi")
        assert await settled(store) == (0, 0, "")
    assert len(receiver.told) == 3
    assert len({headers["webhook-id"] for headers, _ in receiver.told}) == 1


@pytest.mark.parametrize(("status", "attempts"), [(500, 3), (410, 1)])
async def test_what_is_never_taken_is_given_up(
    store: Store, receiver: Receiver, status: int, attempts: int
) -> None:
    hook(store, receiver)
    receiver.statuses = [status]
    async with telling(store):
        talk(store).say("Hello", "Hi")
        assert await settled(store) == (0, 1, f"status {status}")
    assert len(receiver.told) == attempts


async def test_a_restart_loses_nothing(tmp_path: Path, receiver: Receiver) -> None:
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    with closing(Store.open(url)) as before:
        hook(before, receiver)
        talk(before).say("Hello", "Hi")
    with closing(Store.open(url)) as after:
        async with telling(after):
            await settled(after)
    assert len(receiver.told) == 1


async def test_a_receiver_that_hangs_delays_no_other(store: Store, receiver: Receiver) -> None:
    held: list[asyncio.StreamWriter] = []
    never = await asyncio.start_server(lambda reader, writer: held.append(writer), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{never.sockets[0].getsockname()[1]}"
    new_webhook(store, url, (), content=False, private=True)
    hook(store, receiver)
    async with telling(store):
        for number in range(10):
            talk(store).say(f"Hello {number}", "Hi")
        while len(receiver.told) < 10:  # noqa: ASYNC110  the receiver has no event for it
            await asyncio.sleep(0.01)
    never.close()
    for writer in held:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_private_addresses_are_refused_when_connecting(store: Store, receiver: Receiver) -> None:
    """Also for a webhook of the time when they were allowed, and for a name that leads there."""
    local = receiver.url.replace("http://127.0.0.1", "https://localhost")
    store.create_webhook(local, "whsec_eA==", ("reply.ended",))
    async with telling(store, private=False):
        talk(store).say("Hello", "Hi")
        _, dead, problem = await settled(store)
    assert (dead, receiver.told) == (1, [])
    assert problem == "private localhost"


@pytest.mark.parametrize("spelled", ["１２７.０.０.１", "127。0。0。1", "①②⑦.0.0.1"])
async def test_another_spelling_of_a_private_address_is_not_connected_to(store: Store, spelled: str) -> None:
    came = asyncio.Event()

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as inside:
        url = f"https://{spelled}:{inside.sockets[0].getsockname()[1]}/"
        store.create_webhook(url, "whsec_eA==", ("reply.ended",))
        async with telling(store, private=False):
            talk(store).say("Hello", "Hi")
            _, _, problem = await settled(store)
    assert problem == "private 127.0.0.1"
    assert not came.is_set()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.org/", "https://"),
        ("https://127.0.0.1/", "private network"),
        ("https://[::1]/", "private network"),
        ("https://10.1.2.3:8443/x", "private network"),
        ("https://ada:secret@example.org/", "password"),
        ("ftp://example.org", "https://"),
        ("example.org", "web address"),
        ("https://exa mple.org", "web address"),
        ("https://[broken", "web address"),
    ],
)
def test_an_address_that_cannot_be_is_refused_when_it_is_made(store: Store, url: str, why: str) -> None:
    with pytest.raises(BadWebhook, match=why) as refused:
        new_webhook(store, url, (), content=False, private=False)
    assert "secret" not in str(refused.value)


def test_only_addresses_of_the_public_internet_are_public() -> None:
    for address in ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"):
        assert is_public(address), address
    for address in (
        "127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "nonsense",
        "::127.0.0.1", "::ffff:0:127.0.0.1", "fec0::1", "127.1",
    ):  # fmt: skip
        assert not is_public(address), address


async def test_a_name_with_one_private_address_among_public_ones_is_refused() -> None:
    class Names(AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> Any:
            return [{"host": one} for one in ("93.184.216.34", "10.0.0.1")]

        async def close(self) -> None: ...

    with pytest.raises(AddressRefused, match=r"rebound\.example is in a private network"):
        await PublicResolver(Names()).resolve("rebound.example", 443)
