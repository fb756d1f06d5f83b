"""Chat templates, from a person or a model, rendered in processes that can be killed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from backends._sent import reported
from backends.bounded import Pool, TooMuch, folder_of
from backends.chat_templates import jinja
from backends.errors import BadChatTemplate, BadRequest
from backends.types import Message

SECONDS = 5.0
"""Of processor time for one rendering, about a thousand times what it takes."""

Chat = Mapping[str, Any]
"""A message in the form chat templates expect."""


@dataclass(frozen=True, slots=True)
class OwnTemplate:
    """The template a model comes with. source: `model`, `adapter`, or a sentence for a base model's
    default."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Tried:
    """What a model would read. tokens: how many; `None` while it is not loaded."""

    text: str
    tokens: int | None = None


@runtime_checkable
class Templated(Protocol):
    """A backend whose model runs in this process, so that its chat template is applied here; `chat_template`
    and `template_source` (its name in provenance) set another one."""

    async def own_template(self) -> OwnTemplate | None:
        """`None` if its files have none, or are not downloaded yet. Loads nothing."""
        ...

    async def try_template(self, template: str, messages: Sequence[Message]) -> Tried:
        """What the model would read of a conversation. Loads nothing. Raises `BadChatTemplate`."""
        ...


class EndlessTemplate(BadChatTemplate):
    """A template that takes too much time or memory, at least with this conversation."""

    def __init__(self) -> None:
        super().__init__("It takes too much time or memory")


def refusal(error: BadChatTemplate) -> BadRequest:
    """The error shown to the person whose conversation a model's template rejects."""
    if isinstance(error, EndlessTemplate):
        return BadRequest(
            "The model's chat template takes too much time or memory with this conversation.",
            cure="Start a new conversation, or change the model's chat template.",
        )
    return BadRequest(
        f"The model's chat template refuses this conversation: {error.said[:200]}.",
        cure="Check the order of the roles and the system prompt.",
    )


class Renderer:
    """Renders conversations with templates from any source. Whether a template terminates also depends on the
    conversation, so every rendering is bounded, not just the first. Its processes end with it."""

    def __init__(self, *, seconds: float = SECONDS) -> None:
        import jinja2

        import backends

        self._pool = Pool(jinja.__name__, [folder_of(jinja2), folder_of(backends)], seconds=seconds)

    def render(self, template: str, messages: Sequence[Chat], values: Mapping[str, object]) -> str:
        """values: `add_generation_prompt`, `bos_token` and the like. Blocks. Raises `BadChatTemplate` with
        the line, and `EndlessTemplate`."""
        try:
            return _text(self._pool.ask(_asked(template, messages, values)))
        except TooMuch:
            raise EndlessTemplate from None

    async def rendered(self, template: str, messages: Sequence[Chat], values: Mapping[str, object]) -> str:
        """The same, async; a rendering is stopped when nobody waits for it any more."""
        try:
            return _text(await self._pool.asked(_asked(template, messages, values)))
        except TooMuch:
            raise EndlessTemplate from None

    async def aclose(self) -> None:
        await self._pool.aclose()


def write(
    renderer: Renderer,
    template: str,
    chat: Sequence[Chat],
    values: Mapping[str, object],
    *,
    continue_final: bool = False,
) -> str:
    """The prompt a model reads: the conversation up to the start of a reply, or up to the end of the last
    message if that is to be continued. Blocks. Raises `BadRequest` if the template rejects it."""

    def written(chat: Sequence[Chat], *, opened: bool) -> str:
        try:
            return renderer.render(template, chat, {**values, "add_generation_prompt": opened})
        except BadChatTemplate as error:
            raise refusal(error) from error

    if not continue_final:
        return written(chat, opened=True)
    tagged, final = _tagged(chat[-1])
    text = written([*chat[:-1], tagged], opened=False)
    before, tag, behind = text.rpartition(_TAG.strip())
    if tag and final.strip() in before:
        return before if behind.startswith(" ") else before.rstrip()
    # The template changes the inside of the last message, so its end cannot be found.
    return written(chat[:-1], opened=True) + final


_TAG = "CONTINUE_FINAL_MESSAGE_TAG "
"""Stands behind a message that is to be continued, and its space tells whether the template keeps that; as
transformers has it."""


def _tagged(message: Chat) -> tuple[Chat, str]:
    """The message with a tag after its last words, and those words."""
    content = message["content"]
    if isinstance(content, str):
        return {**message, "content": content + _TAG}, content
    parts = [dict(part) for part in content]
    last = next((part for part in reversed(parts) if "text" in part), {"text": ""})
    final = str(last["text"])
    last["text"] = final + _TAG
    return {**message, "content": parts}, final


async def rendered(
    template: str, messages: Sequence[Message], special: Mapping[str, str], *, seconds: float = SECONDS
) -> str:
    """The conversation as rendered by a template, with the same result as transformers. special: `bos_token`
    and the like. Raises `BadChatTemplate` with the line."""
    chat = [{"role": message.role, "content": message.text} for message in reported(messages)]
    renderer = Renderer(seconds=seconds)
    try:
        return await renderer.rendered(template, chat, {"add_generation_prompt": True, **special})
    finally:
        await renderer.aclose()


def _asked(template: str, messages: Sequence[Chat], values: Mapping[str, object]) -> dict[str, Any]:
    return {"template": template, "messages": list(messages), "values": dict(values)}


def _text(answer: Mapping[str, Any]) -> str:
    if "endless" in answer:
        raise EndlessTemplate
    if "text" in answer:
        return str(answer["text"])
    raise BadChatTemplate(answer["problem"], answer["line"])
