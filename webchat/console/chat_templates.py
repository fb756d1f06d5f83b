"""The chat template of a model in this process: what is in use, what it was, what another would make."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from difflib import unified_diff
from typing import Any, get_args

import gradio as gr

from backends.errors import BadChatTemplate
from webchat.api import Services
from webchat.api.errors import ApiError
from webchat.api.templates.model_templates import ChatTemplates
from webchat.api.wire.model_templates import (
    ChatTemplate,
    ChatTemplateBody,
    ChatTemplatePreview,
    ChatTemplateVersion,
    PreviewBody,
    PreviewMessage,
)
from webchat.console.asking import QUIET, Caller, handler, refuse, tell
from webchat.console.labels import Labels
from webchat.console.times import moment, plain
from webchat.models import Models
from webchat.models.specs import ModelInfo
from webchat.sentences import locale
from webchat.store.errors import TemplateChanged

MOST_TEXT = 100_000
MOST_MESSAGES = 12
MOST_COMPARED = 4000
"""Lines of a version and of what is in the editor, together."""
ROLES: tuple[str, ...] = get_args(PreviewMessage.model_fields["role"].annotation)
OWN = "own"
"""The choice of the model's own template, among the versions."""
_MOST_NAME = 400
_MOST_NOTE = 200
_MOST_WORDS = 20_000


def find_model(models: Models, caller: Caller, name: object) -> ModelInfo:
    """Raises `gr.Error` if there is none of this name."""
    if isinstance(name, str) and len(name) <= _MOST_NAME:
        for info in models.infos():
            if info.name == name:
                return info
    raise refuse(caller, "error.model_not_found")


class Editor:
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, services: Services) -> None:
        self._models = services.models
        self._templates = ChatTemplates(services)

    async def show(self, caller: Caller, name: object) -> list[Any]:
        """The template in use, as it is edited, and its versions."""
        if not name:
            return [gr.Column(visible=False), gr.Markdown(visible=False), *(gr.skip() for _ in range(6))]
        model = find_model(self._models, caller, name).name
        try:
            kept = await self._templates.look(caller.owner, model)
        except ApiError as error:
            if error.code != "chat_template_elsewhere":
                raise
            said = caller.t("error.chat_template_elsewhere", model=plain(model))
            return [
                gr.Column(visible=False),
                gr.Markdown(said, visible=True),
                *(gr.skip() for _ in range(6)),
            ]
        sample = [[role, caller.t(f"chattemplate.sample.{at}")] for at, role in enumerate(_SAMPLE, 1)]
        headers = [caller.t("chattemplate.role"), caller.t("chattemplate.message")]
        return [
            gr.Column(visible=True),
            gr.Markdown(visible=False),
            gr.Code(kept.text or ""),
            gr.Dataframe(sample, headers=headers),
            *_kept(caller, kept),
        ]

    async def preview(self, caller: Caller, name: object, text: object, sample: object) -> list[Any]:
        """What the template in the editor makes of the sample, or what is wrong with it."""
        model = find_model(self._models, caller, name).name
        template, messages = _text(caller, text), _messages(caller, sample)
        if not template or not messages:
            return [gr.Markdown(visible=False), gr.Textbox("", label=caller.t("chattemplate.preview"))]
        body = PreviewBody(text=template, messages=messages)
        made = await self._templates.preview(caller.owner, model, body)
        if made.problem is not None:
            return [_problem(caller, made.problem.message, made.problem.line), gr.skip()]
        moved = caller.t("chattemplate.system_moved")
        return [
            gr.Markdown(moved, visible=made.system_as is not None),
            gr.Textbox(made.text, label=_preview_label(caller, made)),
        ]

    async def differs(self, caller: Caller, name: object, text: object) -> gr.Markdown:
        """Whether leaving loses what is in the editor. The page's own module asks before that, as long as
        this is shown."""
        if not name:
            return gr.Markdown(visible=False)
        kept = await self._templates.look(caller.owner, find_model(self._models, caller, name).name)
        return gr.Markdown(visible=_text(caller, text) != (kept.text or ""))

    async def save(
        self, caller: Caller, name: object, text: object, note: object, based_on: object
    ) -> list[Any]:
        """A new version, which is in use from now on."""
        template = _text(caller, text)
        if not template:
            raise refuse(caller, "chattemplate.empty")
        return await self._put(caller, name, template, note, based_on, "chattemplate.saved")

    async def own(
        self, caller: Caller, name: object, text: object, note: object, based_on: object
    ) -> list[Any]:
        """Back to the model's own template. What is in the editor stays there if no version has it."""
        done = await self._put(caller, name, None, note, based_on, "chattemplate.own_done")
        kept = await self._templates.look(caller.owner, find_model(self._models, caller, name).name)
        saved = kept.source != "override" and any(one.text == text for one in kept.versions)
        return [*done, gr.Code(kept.text or "") if saved else gr.skip()]

    async def compare(self, caller: Caller, name: object, version: object, text: object) -> list[Any]:
        """How a version differs from what is in the editor."""
        if not version:
            return [gr.Code(visible=False), gr.Button(visible=False)]
        named, old = await self._version(caller, name, version)
        now = _text(caller, text)
        lines = old.splitlines(), now.splitlines()
        if old == now or sum(map(len, lines)) > MOST_COMPARED:
            same = "same" if old == now else "whole"
            label = caller.t(f"chattemplate.{same}", name=named)
            return [gr.Code(old, label=label, visible=True), gr.Button(visible=old != now)]
        difference = await asyncio.to_thread(lambda: "\n".join(unified_diff(*lines, lineterm="", n=2)))
        shown = difference.partition("\n")[2].partition("\n")[2]  # without the lines that name files
        label = caller.t("chattemplate.difference", name=named)
        return [gr.Code(shown, label=label, visible=True), gr.Button(visible=True)]

    async def restore(self, caller: Caller, name: object, version: object) -> list[Any]:
        """A version, in the editor."""
        _, text = await self._version(caller, name, version)
        return [gr.Code(text), gr.Code(visible=False), gr.Button(visible=False)]

    async def _version(self, caller: Caller, name: object, version: object) -> tuple[str, str]:
        """What a version is called, and its text."""
        kept = await self._templates.look(caller.owner, find_model(self._models, caller, name).name)
        if version == OWN and kept.own is not None:
            return caller.t("chattemplate.models_own"), kept.own
        for one in kept.versions:
            if str(one.number) == version:
                return caller.t("chattemplate.version", number=one.number), one.text or kept.own or ""
        raise refuse(caller, "error.not_found")

    async def _put(
        self, caller: Caller, name: object, text: str | None, note: object, based_on: object, done: str
    ) -> list[Any]:
        model = find_model(self._models, caller, name).name
        words = note[:_MOST_NOTE].strip() if isinstance(note, str) else ""
        seen = based_on if isinstance(based_on, int) else None
        problem, left = gr.Markdown(visible=False), words
        try:
            body = ChatTemplateBody(text=text, note=words, based_on=seen)
            kept = await self._templates.put(caller.owner, model, body)
            left = ""
            tell(caller, done)
        except BadChatTemplate as error:
            kept = await self._templates.look(caller.owner, model)
            problem = _problem(caller, f"{error.said}.", error.line)
        except TemplateChanged:
            kept = await self._templates.look(caller.owner, model)
            problem = gr.Markdown(caller.t("chattemplate.changed"), visible=True)
        return [problem, left, *_kept(caller, kept)]


_SAMPLE = ("system", "user", "assistant", "user")


def _kept(caller: Caller, kept: ChatTemplate) -> list[Any]:
    """Where the template in use is from, the choice of a version, the newest's number, and the button that
    goes back."""
    choices = [(_named(caller, one), str(one.number)) for one in kept.versions]
    if kept.own is not None:
        choices.append((caller.t("chattemplate.models_own"), OWN))
    return [
        _source(caller, kept),
        gr.Dropdown(choices=choices, value=None),
        kept.number,
        gr.Button(visible=kept.source == "override"),
    ]


def _named(caller: Caller, one: ChatTemplateVersion) -> str:
    back = caller.t("chattemplate.own") if one.text is None else ""
    version = caller.t("chattemplate.version", number=one.number)
    return " · ".join(filter(None, (version, moment(caller, one.created_at), one.author, back, one.note)))


def _source(caller: Caller, kept: ChatTemplate) -> str:
    if kept.source == "override":
        return caller.t("chattemplate.in_force_version", number=kept.number)
    known = locale(caller.language).get(f"chattemplate.in_force.{kept.source.partition(':')[0]}")
    return known or caller.t("chattemplate.in_force", source=plain(kept.source))


def _preview_label(caller: Caller, made: ChatTemplatePreview) -> str:
    label = caller.t("chattemplate.preview")
    return label if made.tokens is None else f"{label} · {caller.t('inspect.tokens', count=made.tokens)}"


def _problem(caller: Caller, said: str, line: int | None) -> gr.Markdown:
    words = plain(said)
    if line is not None:
        words = caller.t("chattemplate.problem_in", line=line, problem=words)
    return gr.Markdown(words, visible=True)


def _text(caller: Caller, text: object) -> str:
    if not isinstance(text, str | None) or len(text or "") > MOST_TEXT:
        raise refuse(caller, "chattemplate.too_long", most=f"{MOST_TEXT:,}")
    return text or ""


def _messages(caller: Caller, sample: object) -> list[PreviewMessage]:
    """Of the rows of the sample; empty ones are left out."""
    rows = sample if isinstance(sample, Sequence) and not isinstance(sample, str) else ()
    given = [row for row in rows if isinstance(row, list) and len(row) >= 2 and any(row[:2])]
    if len(given) > MOST_MESSAGES:
        raise refuse(caller, "chattemplate.too_many", most=MOST_MESSAGES)
    messages = list[PreviewMessage]()
    for role, words, *_ in given:
        if role not in ROLES or len(str(words or "")) > _MOST_WORDS:
            raise refuse(caller, "chattemplate.wrong_role", roles=", ".join(ROLES))
        messages.append(PreviewMessage(role=role, content=str(words or "")))
    return messages


def create_chat_template(services: Services, label: Labels, model: gr.Dropdown) -> None:
    """The editor of the chosen model's template."""
    editor = Editor(services)
    elsewhere = gr.Markdown(visible=False, elem_classes=["wc-note"])
    with gr.Column(elem_classes=["wc-card"], visible=False, elem_id="wc-chat-template") as card:
        gr.Markdown(label("chattemplate.title"))
        source = gr.Markdown(elem_id="wc-chat-template-source")
        code = gr.Code(
            label=label("chattemplate.text"), language="jinja2", interactive=True, lines=8,
            wrap_lines=True, buttons=[], elem_id="wc-chat-template-code",
        )  # fmt: skip
        unsaved = gr.Markdown(
            label("chattemplate.unsaved"),
            visible=False,
            elem_classes=["wc-note"],
            elem_id="wc-chat-template-unsaved",
        )
        problem = gr.Markdown(visible=False, elem_classes=["wc-warning"], elem_id="wc-chat-template-problem")
        note = gr.Textbox(label=label("chattemplate.note"), max_length=_MOST_NOTE, elem_classes=["wc-bar"])
        with gr.Row(elem_classes=["wc-buttons"]):
            save = gr.Button(
                label("chattemplate.save"), variant="primary", min_width=0, elem_id="wc-chat-template-save"
            )
            own = gr.Button(
                label("chattemplate.own"), visible=False, min_width=0, elem_id="wc-chat-template-own"
            )
        rendered = gr.Textbox(
            label=label("chattemplate.preview"), interactive=False, lines=5, max_lines=16,
            elem_classes=["wc-mono"], elem_id="wc-chat-template-preview",
        )  # fmt: skip
        sample = gr.Dataframe(
            interactive=True, type="array", column_count=2, datatype="str",
            wrap=True, buttons=[], label=label("chattemplate.sample"), column_widths=["30%", "70%"],
            elem_id="wc-chat-template-sample",
        )  # fmt: skip
        version = _create_versions(editor, label, model, code)
    based_on = gr.State(None)

    kept = [source, version, based_on, own]
    made: Any = {
        "fn": handler("operator", editor.preview), "inputs": [model, code, sample],
        "outputs": [problem, rendered], **QUIET,
    }  # fmt: skip
    show = handler("operator", editor.show)
    model.change(show, model, [card, elsewhere, code, sample, *kept], **QUIET)
    # One at a time: the next is of what is in the editor by then.
    gr.on([code.change, sample.change], trigger_mode="always_last", **made)
    differs: Any = {
        "fn": handler("operator", editor.differs), "inputs": [model, code], "outputs": unsaved, **QUIET,
    }  # fmt: skip
    code.change(trigger_mode="always_last", **differs)
    outputs = [problem, note, *kept]
    saved = save.click(handler("operator", editor.save), [model, code, note, based_on], outputs, **QUIET)
    saved.success(**differs)
    back = handler("operator", editor.own)
    own.click(back, [model, code, note, based_on], [*outputs, code], **QUIET).success(**differs)


def _create_versions(editor: Editor, label: Labels, model: gr.Dropdown, code: gr.Code) -> gr.Dropdown:
    """What an earlier version had in the editor's place, and the way back to it."""
    version = gr.Dropdown(
        choices=[], label=label("chattemplate.tab.versions"), elem_id="wc-chat-template-version"
    )
    difference = gr.Code(language=None, interactive=False, visible=False, buttons=[])
    restore = gr.Button(label("chattemplate.restore"), visible=False, elem_id="wc-chat-template-restore")
    compare = handler("operator", editor.compare)
    version.change(compare, [model, version, code], [difference, restore], **QUIET)
    again = handler("operator", editor.restore)
    restore.click(again, [model, version], [code, difference, restore], **QUIET)
    return version
