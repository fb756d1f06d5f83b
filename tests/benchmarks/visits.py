"""People who come by a tester link, use the page's requests as a browser would, and leave."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from webchat.sharing.links import hash_of, make_token
from webchat.store import Store
from webchat.store.link_records import LinkTerms

LEAVE_SECONDS = 45.0
"""After a round's time, how long people have to finish before all of them close their browsers."""

PEOPLE_PER_LINK = 250
"""Fewer than the server admits by one link within an hour."""

TERMS = LinkTerms(
    models=("scripted", "other"), asks=("thumbs", "tags", "better_answer", "compare"), shares=True
)
WORDS = ("heron", "river", "winter", "lamp", "白鹭", "copper", "engine", "garden", "letter", "mountain")


@dataclass
class Tally:
    """What people did, and how they were answered. unexpected: answers and errors that nobody should get, by
    request."""

    visits: int = 0
    replies: int = 0
    cut: int = 0
    left: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)

    def note(self, request: httpx.Request, what: str) -> None:
        path = "/".join("…" if len(part) > 30 else part for part in request.url.path.split("/"))
        self.unexpected[f"{request.method} {path} {what}"] += 1


class Site:
    """A server, its links, and the cookies of recent visitors."""

    def __init__(self, url: str, database: str) -> None:
        self.url = url
        self.tally = Tally()
        self.random = random.Random(17)
        self.cookies: list[str] = []
        self._database = database
        self._token = ""
        self._admits = 0

    def token(self) -> str:
        """Of a link that still admits new people."""
        if not self._admits:
            self._token = make_token()
            with closing(Store.open(self._database, serve=False)) as store:
                store.create_link("soak", hash_of(self._token), None, TERMS)
            self._admits = PEOPLE_PER_LINK
        self._admits -= 1
        return self._token

    def text(self, words: int) -> str:
        text = " ".join(self.random.choices(WORDS, k=6))
        return f"{text} words={words} rate={self.random.choice((8, 20, 60))}"


class Gone(Exception):
    """The person closed the browser."""


class Visit:
    """One person, from opening the page until they leave."""

    def __init__(self, site: Site, client: httpx.AsyncClient) -> None:
        self._site = site
        self._client = client
        self._random = site.random
        self._conversation = ""
        self._question = ""
        self._reply = ""

    async def run(self) -> None:
        await self._sign_in()
        with suppress(Gone):
            await self._open()
            for _ in range(self._random.randint(1, 3)):
                await self._turn(self._message())
                if not self._reply:
                    return
                for _ in range(self._random.randint(0, 2)):
                    await self._pause()
                    await self._do_something()

    async def _pause(self) -> None:
        await asyncio.sleep(self._random.uniform(0.5, 4.0))

    async def _call(self, method: str, path: str, body: object = None, accept: str = "*/*") -> Any:
        """The decoded answer, or `None` for a refusal."""
        answer = await self._client.request(method, path, json=body, headers={"accept": accept})
        self._count(answer)
        if answer.status_code >= 400:
            return None
        return answer.json() if answer.headers.get("content-type") == "application/json" else True

    def _count(self, answer: httpx.Response) -> None:
        status = answer.status_code
        self._site.tally.answers[f"{status // 100}xx"] += 1
        if status >= 500 or status in (401, 403, 422):
            self._site.tally.note(answer.request, str(status))

    async def _sign_in(self) -> None:
        """With a cookie from before, or by a link."""
        known = self._site.cookies
        if len(known) > 20 and self._random.random() < 0.5:
            self._client.headers["cookie"] = self._random.choice(known)
            return
        answer = await self._client.post("/t/redeem", json={"token": self._site.token()})
        self._count(answer)
        cookies = answer.headers.get_list("set-cookie")
        self._client.cookies.clear()
        self._client.headers["cookie"] = "; ".join(one.partition(";")[0] for one in cookies)
        known.append(self._client.headers["cookie"])
        del known[:-300]

    async def _open(self) -> None:
        await self._call("GET", "/", accept="text/html")
        for path in ("/api/me", "/api/models", "/api/conversations?limit=40", "/api/link"):
            await self._call("GET", path)

    def _message(self) -> dict[str, Any]:
        asked: dict[str, Any] = {"kind": "send", "text": self._site.text(self._random.choice((3, 20, 60)))}
        if self._reply:
            asked |= {"conversation_id": self._conversation, "parent_id": self._reply}
        if self._random.random() < 0.25:
            asked["against"] = {}
        return asked

    async def _turn(self, asked: dict[str, Any]) -> None:
        begun = await self._call("POST", "/api/turns", {"client_key": os.urandom(8).hex(), **asked})
        if begun is None:
            return
        self._site.tally.replies += 1
        self._conversation = begun["conversation"]["id"]
        self._reply = begun["reply"]["id"]
        if begun["user"]:
            self._question = begun["user"]["id"]
        if not begun["beside"]:
            return await self._follow(self._reply)
        await self._follow(self._reply, begun["beside"]["id"])
        compared = f"/api/comparisons/{begun['reply']['compared']}"
        if await self._call("GET", compared) and self._random.random() < 0.7:
            vote = self._random.choice(("left", "right", "tie"))
            await self._call("POST", f"{compared}/vote", {"preferred": vote})
        await self._call("POST", f"{compared}/continue", {"side": "left"})

    async def _follow(self, *replies: str) -> None:
        """To the end; or until it is stopped, or the connection lost, or the browser closed."""
        fate = self._random.choice(("whole", "whole", "whole", "stop", "rejoin", "leave"))
        after = self._random.randint(1, 12)
        deltas = 0
        async for event in self._events(replies):
            deltas += event == "delta"
            if fate == "whole" or deltas < after:
                continue
            self._site.tally.cut += 1
            if fate == "leave":
                raise Gone
            if fate == "rejoin":
                break
            await self._call("POST", f"/api/messages/{replies[0]}/stop")
            fate = "whole"
        else:
            return
        await self._pause()
        await self._open()
        async for _ in self._events(replies):
            pass

    async def _events(self, replies: Sequence[str]) -> AsyncIterator[str]:
        """The names of the events, until all replies are done."""
        asked = "&".join(f"reply={reply}:0" for reply in replies)
        missing = len(replies)
        async with self._client.stream("GET", f"/api/events?{asked}") as events:
            self._count(events)
            async for line in events.aiter_lines():
                if line.startswith("event:"):
                    name = line[6:].strip()
                    missing -= name == "done"
                    yield name
                    if not missing:
                        return

    async def _do_something(self) -> None:
        call, text, choice = self._call, self._site.text, self._random.choice
        reply = f"/api/messages/{self._reply}"
        conversation = f"/api/conversations/{self._conversation}"
        judgement = {"rating": -1, "comment": "Stiff.", "better": text(3)}
        edited = {"kind": "edit", "message_id": self._question, "text": text(20)}
        await choice((
            lambda: call("PUT", f"{reply}/rating", {"value": choice((1, -1))}),
            lambda: call("PUT", f"{reply}/judgement", judgement),
            lambda: call("POST", f"{reply}/edit", {"text": "Better so."}),
            lambda: call("GET", f"{reply}/inspect"),
            lambda: call("GET", f"/api/search?q={choice(WORDS)}"),
            lambda: call("GET", f"{conversation}/export?format=markdown"),
            lambda: self._turn(edited),
            lambda: self._turn({"kind": "regenerate", "message_id": self._reply}),
            lambda: self._reload(conversation),
            lambda: self._delete(conversation),
            self._share,
        ))()  # fmt: skip

    async def _reload(self, conversation: str) -> None:
        await self._open()
        await self._call("GET", conversation)

    async def _delete(self, conversation: str) -> None:
        await self._call("DELETE", conversation)
        await self._call("POST", f"{conversation}/restore")

    async def _share(self) -> None:
        made = await self._call("POST", "/api/shares", {"conversation_id": self._conversation})
        if made:
            await self._call("GET", f"/{made['path']}", accept="text/html")


async def come_and_go(site: Site, people: int, seconds: float) -> None:
    """So many people at a time: whoever leaves makes room for the next."""
    end = time.monotonic() + seconds

    async def seat(number: int) -> None:
        await asyncio.sleep(min(10.0, seconds / 3) * number / people)
        while time.monotonic() < end:
            address = f"203.0.{site.random.randrange(256)}.7"
            headers = {"origin": site.url, "x-forwarded-for": address}
            # Reading the certificates for each client would take most of the time.
            transport = httpx.AsyncHTTPTransport(verify=False)
            async with httpx.AsyncClient(
                base_url=site.url, headers=headers, transport=transport, timeout=120
            ) as client:
                try:
                    await Visit(site, client).run()
                except httpx.HTTPError as error:
                    site.tally.note(error.request, type(error).__name__)
            site.tally.visits += 1

    seats = [asyncio.create_task(seat(number)) for number in range(people)]
    _, late = await asyncio.wait(seats, timeout=seconds + LEAVE_SECONDS)
    for one in late:
        one.cancel()
    for result in await asyncio.gather(*seats, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
    site.tally.left += len(late)
