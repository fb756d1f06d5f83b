"""A moderation service: any endpoint that answers `POST /v1/moderations` like OpenAI's.

Source: OpenAI API reference, "Create moderation": `results[0]` has `flagged`, `categories` (name -> true or
false) and `category_scores` (name -> 0 to 1). The key is sent to this address only, redirects are not
followed and cookies are not kept; neither the key nor the text sent is ever logged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Annotated, Any, Unpack

import httpx
from pydantic import BaseModel, ConfigDict, Field

from backends._proxies import find_proxy
from backends.errors import BadProxy
from webchat.moderation.kinds.builtin import Querying, Terms
from webchat.moderation.matching import Rule
from webchat.moderation.verdicts import Act, Context
from webchat.moderation.windows import Opinion, Seconds, WindowSettings

Share = Annotated[float, Field(gt=0, le=1)]

MOST_BYTES = 64 << 10
"""Of an answer."""

MOST_NAME = 100
"""Characters of a category."""

_DIRECTLY = {"http://": None, "https://": None}
"""In the place of the proxies that httpx would take from the environment by rules of its own."""


class Category(BaseModel):
    """The action for a category, and its minimum score; by default the same as for all categories."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    action: Act | None = None
    threshold: Share | None = None


class EndpointSettings(WindowSettings):
    """model: requested by name. threshold: minimum score for a category to count, `None`: the service's own
    decision. categories: if any are named, only these count."""

    model: str | None = None
    threshold: Share | None = None
    categories: Mapping[str, Act | Category] = Field(default_factory=dict)
    seconds: Seconds = 5.0


class Endpoint(Querying):
    """A moderator; see the module.

    url: with or without `/moderations`. Raises `ValueError`.
    """

    kind = "endpoint"

    def __init__(
        self,
        rule: Rule,
        url: str,
        settings: EndpointSettings | None = None,
        *,
        api_key: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        **terms: Unpack[Terms],
    ) -> None:
        settings = settings or EndpointSettings()
        super().__init__(rule, settings, **terms)
        self._settings = settings
        self._url = _address(url)
        self._proxy = _proxy_to(self._url)
        self._headers = {} if api_key is None else {"Authorization": f"Bearer {_fit(api_key)}"}
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _judge(self, context: Context, text: str) -> Sequence[Opinion]:
        return await self._opinions.or_ask(text, lambda: self._ask(text))

    async def _ask(self, text: str) -> Sequence[Opinion]:
        """Raises `ValueError` for an answer in another format, and what httpx raises."""
        model = self._settings.model
        body: dict[str, Any] = {"input": text} if model is None else {"model": model, "input": text}
        async with self._connected().stream("POST", self._url, json=body, headers=self._headers) as answer:
            if answer.status_code != 200:
                raise ValueError(f"status {answer.status_code}")
            read = bytearray()
            async for chunk in answer.aiter_bytes():
                read += chunk
                if len(read) > MOST_BYTES:
                    raise ValueError("the answer is too long")
        return self._read(json.loads(read))

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            # Time is kept by who asks.
            self._client = httpx.AsyncClient(
                timeout=None,
                follow_redirects=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                proxy=self._proxy,
                mounts=None if self._proxy else _DIRECTLY,
                transport=self._transport,
            )
        return self._client

    def _read(self, answer: Any) -> Sequence[Opinion]:
        try:
            (result,) = answer["results"]
            said, scores = dict(result["categories"]), dict(result.get("category_scores") or {})
            flagged = bool(result["flagged"])
        except (TypeError, KeyError, ValueError):
            raise ValueError("the answer is not a valid moderation result") from None
        found = [one for name, yes in said.items() if (one := self._opinion(name, yes, scores.get(name)))]
        if not found and flagged and not self._settings.categories and self._settings.threshold is None:
            found.append(Opinion(replace(self._rule, id=f"{self.name}.flagged")))
        return found

    def _opinion(self, category: str, said: object, score: object) -> Opinion | None:
        settings = self._settings
        told = settings.categories.get(category)
        if settings.categories and told is None:
            return None
        if not isinstance(told, Category):
            told = Category(action=told)
        threshold = settings.threshold if told.threshold is None else told.threshold
        known = float(score) if isinstance(score, (int, float)) else None
        counts = said is True if threshold is None or known is None else known >= threshold
        if not counts:
            return None
        category = category[:MOST_NAME]
        detail = category if known is None else f"{category} {known:.2f}"
        rule = replace(self._rule, id=f"{self.name}.{category}", action=told.action or self.action)
        return Opinion(rule, detail)


def _address(url: str) -> str:
    """Raises `ValueError` for an invalid URL, or one with a password."""
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("url: give a URL such as https://api.openai.com/v1")
    if parsed.userinfo:
        raise ValueError(
            "url: it contains a user name or password; name a variable that holds the key in api_key_env"
        )
    path = (parsed.path.rstrip("/") or "/v1").removesuffix("/moderations")
    return str(parsed.copy_with(path=f"{path}/moderations"))


def _proxy_to(url: str) -> str | None:
    """The proxy for it. Raises `ValueError` with a sentence for one that cannot be used."""
    try:
        proxy = find_proxy(url, os.environ)
    except BadProxy as error:
        raise ValueError(str(error)) from None
    if proxy is not None and proxy.url.startswith("socks"):
        raise ValueError(
            f"{proxy.variable} names a SOCKS proxy, which moderation services do not support; name"
            f" {httpx.URL(url).host} in NO_PROXY, or set {proxy.variable} to an http proxy"
        )
    return None if proxy is None else proxy.url


def _fit(key: str) -> str:
    if not (key.isascii() and key.isprintable()):
        raise ValueError("the API key contains invalid characters")
    return key
