"""The renderer protocol and the plain renderer: system prompt and messages unchanged, adapted to the
backend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import groupby
from typing import Any, Protocol

from backends.base import Capabilities
from backends.types import Message, Options, Request, Role, Sampling, opened_with
from webchat.prompts.fitting import first_kept
from webchat.store.records import ConversationSettings, PathMessage, answered_calls

CONTINUE = (
    "Your last reply was cut off. Go on exactly where it ended, from the next character. "
    "Repeat nothing and add no introduction."
)
"""The instruction for a model that cannot continue a given beginning."""


@dataclass(frozen=True, slots=True)
class Scene:
    """All inputs of a prompt.

    path: the stored messages from the root to the one the reply answers, oldest first. opening: what the
    model's side said before all of them; may be empty. continues: the reply
    to continue. start: index in the path of the first message that may be sent; room: maximum characters,
    `None` for no limit; see `fitting`. system_prompt, sampling: the model's defaults; the conversation's
    `settings` override them. options, logprobs: as a program asked. as_given: a program brought the path,
    whose tool calls and results are sent as they are.
    """

    path: Sequence[PathMessage]
    capabilities: Capabilities
    settings: ConversationSettings = field(default_factory=ConversationSettings)
    system_prompt: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    continues: PathMessage | None = None
    start: int = 0
    room: int | None = None
    opening: str = ""
    options: Options = field(default_factory=Options)
    logprobs: int | None = None
    as_given: bool = False


@dataclass(frozen=True, slots=True)
class Rendered:
    """A request and where it came from.

    template: name and version of what made it.
    prompt: the request in short, for provenance: `{"role", "content"}` for words that are stored nowhere else
    (an opening is the assistant's, however it was sent), `{"path": id, "count": n}` for the path of `n`
    stored messages that ends at `id`. Stored messages never change, so it holds what was sent, and a long
    conversation is not copied with each reply. left_out: how many of the oldest messages are not sent, and
    first_sent the id of the one after them. ids: for each message of the request the stored message it is
    from, `None` where it is from none. system_as: the role that says the system prompt for a model without a
    role for it, and opening_as the one that tells of the opening where a model does not speak first. without:
    the settings of sampling that were chosen and that the model does not take.
    """

    request: Request
    template: str
    prompt: tuple[Mapping[str, Any], ...]
    left_out: int = 0
    first_sent: str | None = None
    ids: tuple[str | None, ...] = ()
    system_as: Role | None = None
    opening_as: Role | None = None
    without: tuple[str, ...] = ()


class Renderer(Protocol):
    """Builds the request. Pure: the same scene gives the same request."""

    def render(self, scene: Scene) -> Rendered: ...


class PlainRenderer:
    """System prompt, then the conversation word for word. Reasoning is never sent back."""

    template = "plain/1"

    def render(self, scene: Scene) -> Rendered:
        """Raises `ValueError` if nothing is left to send."""
        system = scene.settings.system_prompt
        if system is None:
            system = scene.system_prompt
        # A bare prompt is all that is read.
        bare = scene.options.bare_prompt
        system = "" if bare else (system or "").strip()
        prefix: list[Message] = [Message("system", system)] if system else []
        prompt: list[Mapping[str, Any]] = [{"role": m.role, "content": m.text} for m in prefix]
        opening, path, left_out = _kept(replace(scene, opening="") if bare else scene, len(system))
        body = _turns(path, None if scene.as_given else scene.capabilities)
        opening_as: Role | None = None
        if opening:
            prompt.append({"role": "assistant", "content": opening})
            if scene.capabilities.speaks_first:
                body.insert(0, (Message("assistant", opening), None))
            else:
                prefix.append(Message("system", opened_with(opening)))
                opening_as = _role(prefix[-1], scene.capabilities)
        if path:
            prompt.append({"path": path[-1].id, "count": len(path)})
        continue_final = False
        if scene.continues is not None and scene.continues.text:
            body.append((Message("assistant", scene.continues.text), scene.continues.id))
            prompt.append({"path": scene.continues.id, "count": 1})
            continue_final = scene.capabilities.prefill
            if not continue_final:
                body.append((Message("user", CONTINUE), None))
                prompt.append({"role": "user", "content": CONTINUE})
        fitted = _fit([*((message, None) for message in prefix), *body], scene.capabilities)
        if not fitted:
            raise ValueError("a prompt needs a message")
        chosen = merge_sampling(scene.sampling, scene.settings.sampling)
        sampling = fit_sampling(chosen, scene.capabilities)
        without = tuple(
            f.name for f in fields(Sampling) if getattr(chosen, f.name) != getattr(sampling, f.name)
        )
        request = Request(
            tuple(message for message, _ in fitted),
            sampling,
            continue_final,
            logprobs=scene.logprobs,
            options=scene.options,
        )
        first_sent = path[0].id if left_out and path else None
        ids = tuple(id for _, id in fitted)
        persona = scene.settings.persona
        template = self.template if persona is None else f"{persona.name}/{persona.version}"
        moved: Role | None = "user" if system and not scene.capabilities.system_role else None
        return Rendered(
            request, template, tuple(prompt), left_out, first_sent, ids, moved, opening_as, without
        )


def fit(messages: Iterable[Message], capabilities: Capabilities) -> tuple[Message, ...]:
    """The messages adapted to a backend: adjacent messages of one role are merged, since templates expect
    alternation, and without a system role the system prompt precedes the first user message."""
    return tuple(message for message, _ in _fit([(message, None) for message in messages], capabilities))


def merge_sampling(defaults: Sampling, chosen: Sampling) -> Sampling:
    """`chosen` where it is set, else `defaults`."""
    unset = Sampling()
    picked = {
        f.name: getattr(chosen, f.name)
        for f in fields(Sampling)
        if getattr(chosen, f.name) != getattr(unset, f.name)
    }
    return replace(defaults, **picked)


def fit_sampling(sampling: Sampling, capabilities: Capabilities) -> Sampling:
    """Without the fields the backend does not support."""
    taken = set(capabilities.sampling) | ({"seed"} if capabilities.seed else set())
    return Sampling(**{f.name: getattr(sampling, f.name) for f in fields(Sampling) if f.name in taken})


_Sourced = tuple[Message, str | None]
"""A message and the stored one it is from."""


def _kept(scene: Scene, system: int) -> tuple[str, Sequence[PathMessage], int]:
    """What of a conversation is sent, its opening first, and how many of its oldest messages are left out.
    system: length of the system prompt."""
    path, before = scene.path[scene.start :], scene.path[0].before if scene.path else 0
    left_out, opening = scene.start + before, scene.opening
    if opening and left_out:
        left_out, opening = left_out + 1, ""
    if opening:
        path = [PathMessage("", "assistant", opening, "complete"), *path]
    if scene.room is not None:
        begun = "" if scene.continues is None else scene.continues.text
        kept = first_kept(path, scene.room - system - len(begun))
        path, left_out = path[kept:], left_out + kept
        opening = opening if not kept else ""
    return opening, path[1:] if opening else path, left_out


def _turns(path: Iterable[PathMessage], capabilities: Capabilities | None) -> list[_Sourced]:
    """Stored messages as a model reads them: without empty or blocked replies. Tool calls without their
    results, and results without their calls, are told in words, since endpoints refuse them; so are all for a
    model without tools. capabilities: `None` leaves them as they are."""
    read = [message for message in path if message.read_by_models]
    if capabilities is None:
        kept = {message.id for message in read}
    else:
        kept = answered_calls(read) if capabilities.tools else set()
    return [(_message(message, in_words=message.id not in kept), message.id) for message in read]


def _message(message: PathMessage, *, in_words: bool) -> Message:
    if in_words and message.tool_calls:
        calls = "\n".join(f"[Called {call.name} with {call.arguments}]" for call in message.tool_calls)
        return Message(message.role, f"{message.text}\n\n{calls}".lstrip())
    if in_words and message.role == "tool":
        return Message("user", f"[Result of a tool call]\n{message.text}")
    return Message(message.role, message.text, message.tool_calls, message.tool_call_id)


def _fit(messages: Iterable[_Sourced], capabilities: Capabilities) -> list[_Sourced]:
    """Merge adjacent messages of one role (templates expect alternation), and move the system prompt if there
    is no role for it."""
    fitted: list[_Sourced] = []
    for (role, tools), neighbours in groupby(messages, lambda sourced: _kind(sourced[0], capabilities)):
        some = list(neighbours)
        if tools:
            fitted += some
            continue
        # All at once: one by one, a thousand unanswered questions would be copied a thousand times.
        text = some[0][0].content if len(some) == 1 else "\n\n".join(message.text for message, _ in some)
        fitted.append((Message(role, text), next((id for _, id in reversed(some) if id), None)))
    return fitted


def _kind(message: Message, capabilities: Capabilities) -> tuple[Role, bool]:
    """Its role, and whether it calls tools or answers a call: such messages are never merged."""
    return _role(message, capabilities), bool(message.tool_calls or message.role == "tool")


def _role(message: Message, capabilities: Capabilities) -> Role:
    return "user" if message.role == "system" and not capabilities.system_role else message.role
