"""Chat templates that somebody gives a model: tried before they are used, in a process that can be killed."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, runtime_checkable

from backends import _jinja
from backends._sent import told
from backends.errors import BadChatTemplate
from backends.types import Message

SECONDS = 10.0
"""Longest time for one rendering, most of which a busy machine needs to start a process."""


@dataclass(frozen=True, slots=True)
class OwnTemplate:
    """What a model brings along. source: `model`, `adapter`, or a sentence for a base model's default."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Tried:
    """What a model would read. tokens: how many, `None` while it is not loaded."""

    text: str
    tokens: int | None = None


@runtime_checkable
class Templated(Protocol):
    """A backend whose model is in this process, so that its chat template is applied here; it is made with
    another by `chat_template` and `template_source` (what provenance calls it)."""

    async def own_template(self) -> OwnTemplate | None:
        """`None` where its files have none, or are not here yet. Loads nothing."""
        ...

    async def try_template(self, template: str, messages: Sequence[Message]) -> Tried:
        """What the model would read of a conversation. Loads nothing. Raises `BadChatTemplate`."""
        ...

    async def check_template(self, template: str, messages: Sequence[Message]) -> None:
        """Whether its engine takes the template for a conversation, where that knows another dialect than
        `try_template`. Raises `BadChatTemplate`."""
        ...


async def rendered(
    template: str, messages: Sequence[Message], special: Mapping[str, str], *, seconds: float = SECONDS
) -> str:
    """The conversation as a template writes it, as transformers would have it. special: `bos_token` and the
    like. Raises `BadChatTemplate` with the line."""
    chat = [{"role": message.role, "content": message.text} for message in told(messages)]
    asked = json.dumps({"template": template, "messages": chat, "special": dict(special)})
    jinja2 = find_spec("jinja2")
    assert jinja2 is not None
    assert jinja2.origin is not None
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", _jinja.__file__, str(Path(jinja2.origin).parent.parent),
        stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={},
    )  # fmt: skip
    try:
        out, _ = await asyncio.wait_for(process.communicate(asked.encode() + b"\n"), seconds)
        answer = json.loads(out)
    except (TimeoutError, ValueError):  # killed by its limits
        raise BadChatTemplate("It takes too much time.") from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if "text" in answer:
        text: str = answer["text"]
        return text
    raise BadChatTemplate(answer["problem"], answer["line"])
