"""A guard model: a language model trained to decide whether a text is safe.

It is queried through any backend, with the text as the user's message, or as the reply to the user's last
one; its own chat template adds the policy and the answer format. Sources: the model cards of Qwen3Guard-Gen
(`Safety: Safe|Unsafe|Controversial`, `Categories: ...`) and Llama Guard 3 (`safe`, or `unsafe` and a line of
codes, `S1,S10`).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Literal, Protocol, Unpack, cast

from pydantic import Field

from backends.base import Backend, collect
from backends.options import EndpointOptions
from backends.registry import create
from backends.types import Event, Message, Request, Sampling
from webchat.moderation.kinds.builtin import Querying, Terms
from webchat.moderation.matching import Rule
from webchat.moderation.verdicts import Action, Context
from webchat.moderation.windows import Opinion, Seconds, WindowSettings

ANSWER_TOKENS = 96
ASKED_CHARS = 2000
"""Of the person's message that a reply is judged by: its end."""

Style = Literal["qwen3guard", "llama-guard"]
Severity = Literal["safe", "controversial", "unsafe"]

_SAFETY = re.compile(r"^\W*Safety:\s*(Safe|Unsafe|Controversial)\b", re.IGNORECASE | re.MULTILINE)
_CATEGORIES = re.compile(r"^\W*Categories:\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_CODES = re.compile(r"S\d{1,2}")


class Ask(Protocol):
    """Models, by name."""

    async def __call__(self, model: str, request: Request) -> str:
        """A model's whole answer. Raises whatever goes wrong."""
        ...

    def waits(self, model: str, writer: str) -> bool:
        """Whether `model` could not answer before `writer` has finished: they share their slots."""
        ...


Hide = Callable[[str, Request], Request]
"""A request as an endpoint at this address may have it."""


class WouldWait(RuntimeError):
    """The guard runs on the engine that generates the reply."""


class Unclear(ValueError):
    """The guard's answer says neither safe nor unsafe."""


class GuardSettings(WindowSettings):
    """controversial: the action for texts that are neither safe nor unsafe. categories: name or code -> its
    own action."""

    style: Style = "qwen3guard"
    controversial: Action = "flag"
    categories: Mapping[str, Action] = Field(default_factory=dict)
    seconds: Seconds = 20.0


class Guard(Querying):
    """A moderator; see the module. The action of its rule is the one for unsafe texts."""

    kind = "guard"

    def __init__(
        self,
        rule: Rule,
        ask: Ask,
        model: str,
        settings: GuardSettings | None = None,
        **terms: Unpack[Terms],
    ) -> None:
        settings = settings or GuardSettings()
        super().__init__(rule, settings, **terms)
        self.model = model
        self.ask = ask
        self._parse = _PARSERS[settings.style]
        self._severity: dict[Severity, Action] = {
            "unsafe": rule.action,
            "controversial": settings.controversial,
        }
        self._categories = {_slug(name): action for name, action in settings.categories.items()}

    async def aclose(self) -> None:
        """Close connections that are its own."""
        if isinstance(self.ask, AskEndpoint):
            await self.ask.aclose()

    async def _judge(self, context: Context, text: str) -> Sequence[Opinion]:
        asked = context.asked[-ASKED_CHARS:]
        if context.stage == "output":
            if self.ask.waits(self.model, context.model):
                raise WouldWait(f"{self.model} cannot check a reply that occupies its own slots")
            messages: tuple[Message, ...] = (Message("user", asked or "..."), Message("assistant", text))
        else:
            messages = (Message("user", text),)
        key = "\0".join([context.stage, *(message.text for message in messages)])
        request = Request(messages, Sampling(temperature=0.0, max_tokens=ANSWER_TOKENS))

        async def ask() -> Sequence[Opinion]:
            return self._read(await self.ask(self.model, request))

        return await self._opinions.or_ask(key, ask)

    def _read(self, answer: str) -> Sequence[Opinion]:
        severity, categories = self._parse(answer)
        if severity == "safe":
            return ()
        found = []
        for category in categories or (severity,):
            slug = _slug(category)
            action = self._categories.get(slug, self._severity[severity])
            if action != "allow":
                rule = replace(self._rule, id=f"{self.name}.{slug}", action=action)
                found.append(Opinion(rule, f"{severity}: {category}"))
        return found


class AskEndpoint:
    """Guard models at their own OpenAI-compatible endpoint. hide: maps a request to what may be sent
    there."""

    def __init__(
        self, url: str, api_key: str | None = None, hide: Hide = lambda url, request: request
    ) -> None:
        self._url = url
        self._hide = hide
        self._api_key = api_key
        self._backends: dict[str, Backend] = {}

    async def __call__(self, model: str, request: Request) -> str:
        if model not in self._backends:
            options = EndpointOptions(self._url, model, api_key=self._api_key)
            self._backends[model] = create("openai", options)
        return await answer_of(self._backends[model], self._hide(self._url, request))

    def waits(self, model: str, writer: str) -> bool:
        return False

    async def aclose(self) -> None:
        """Close the connections."""
        for backend in self._backends.values():
            await backend.aclose()
        self._backends.clear()


async def answer_of(backend: Backend, request: Request) -> str:
    """A model's answer, with the sampling parameters it supports."""
    taken = backend.capabilities.sampling
    wanted = request.sampling
    sampling = Sampling(
        temperature=wanted.temperature if "temperature" in taken else None,
        max_tokens=wanted.max_tokens if "max_tokens" in taken else None,
    )
    stream = cast(AsyncGenerator[Event, None], backend.stream(replace(request, sampling=sampling)))
    async with aclosing(stream) as events:
        return (await collect(events)).text


def parse_qwen3guard(answer: str) -> tuple[Severity, tuple[str, ...]]:
    """Raises `Unclear`."""
    found = _SAFETY.findall(answer)
    # Said once, or always alike: a text that smuggles in a verdict of its own is not believed.
    severities = {said.lower() for said in found}
    if len(severities) != 1:
        raise Unclear("the guard's answer does not have exactly one Safety line")
    named = _CATEGORIES.search(answer)
    categories = [part.strip() for part in named.group(1).split(",")] if named else []
    severity = cast(Severity, severities.pop())
    return severity, tuple(part for part in categories if part and part.lower() != "none")


def parse_llama_guard(answer: str) -> tuple[Severity, tuple[str, ...]]:
    """Raises `Unclear`."""
    first, *rest = answer.strip().splitlines() or [""]
    said = first.strip().lower()
    if said == "safe" and not any(line.strip() for line in rest):
        return "safe", ()
    if said == "unsafe":
        return "unsafe", tuple(_CODES.findall(" ".join(rest)))
    raise Unclear("the guard's answer is neither safe nor unsafe")


_PARSERS = {"qwen3guard": parse_qwen3guard, "llama-guard": parse_llama_guard}


def _slug(category: str) -> str:
    """A category in the form used in rule ids."""
    return re.sub(r"[^a-z0-9]+", "-", category.lower()).strip("-")
