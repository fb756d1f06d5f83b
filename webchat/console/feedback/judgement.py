"""The judgement that was chosen: what was judged, what was said of it, and what operators decide."""

from __future__ import annotations

from html import escape
from typing import Any, TypeGuard

import gradio as gr

from webchat.api import Services
from webchat.console.asking import Caller, tell
from webchat.console.chats import create_chat
from webchat.console.labels import Labels
from webchat.console.times import moment, plain
from webchat.store import Store
from webchat.store.errors import NotFound
from webchat.store.judgement_records import Decision, Judgement, ReviewState, with_calls

LONGEST_BETTER = 100_000


class OneJudgement:
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    async def read(self, caller: Caller, id: object) -> list[Any]:
        """The judgement that was chosen, with what was judged."""
        if not is_id(id):
            return [gr.Column(visible=False), "", gr.Chatbot([]), "", "", {}]
        one: Judgement = await self._store.call(self._store.judgement, caller.owner.id, id)
        return [
            gr.Column(visible=True),
            _about(caller, one),
            gr.Chatbot(_messages(caller, one)),
            gr.Markdown(_said(caller, one)),
            one.review.better or one.better or ("" if one.judged is None else one.judged.reply),
            {one.id: one.changed_at},
        ]

    async def accept(self, caller: Caller, seen: object) -> list[Any]:
        """Accept the judgement that was chosen."""
        return await review(self._store, caller, seen, "accepted")

    async def reject(self, caller: Caller, seen: object) -> list[Any]:
        """Reject it."""
        return await review(self._store, caller, seen, "rejected")

    async def renew(self, caller: Caller, seen: object) -> list[Any]:
        """Take back what was decided."""
        return await review(self._store, caller, seen, "new")

    async def edit(self, caller: Caller, seen: object, better: object) -> list[Any]:
        """Accept it with this as the better answer."""
        text = better[:LONGEST_BETTER].strip() if isinstance(better, str) else ""
        return await review(self._store, caller, seen, "edited" if text else "accepted", text)


class Card:
    """The judgement that was chosen. parts: what `OneJudgement.read` gives values to. buttons: by method."""

    def __init__(self, label: Labels) -> None:
        with gr.Column(elem_classes=["wc-card"], visible=False, elem_id="wc-feedback-one") as card:
            about, said = gr.Markdown(), gr.Markdown()
            messages = create_chat(max_height=420)
            self.better = gr.Textbox(
                label=label("console.feedback.better_is"),
                lines=4,
                max_length=LONGEST_BETTER,
                elem_id="wc-feedback-better",
            )
            with gr.Row(elem_classes=["wc-buttons"]):
                self.buttons = {
                    name: gr.Button(
                        label(f"console.feedback.do.{name}"),
                        variant="primary" if name == "accept" else "secondary",
                        min_width=0,
                        elem_id=f"wc-feedback-{name}",
                    )
                    for name in ("accept", "reject", "edit", "renew")
                }
        self.parts = [card, about, messages, said, self.better]


async def review(
    store: Store, caller: Caller, seen: object, state: ReviewState, better: str = ""
) -> list[Any]:
    """Store what an operator decides about judgements, and tell how many it counts for; returns what undoes
    it, and its button. seen: the ids of what is shown, each with when that was last changed."""
    shown = seen if isinstance(seen, dict) else {}
    done = await store.call(store.review_judgements, caller.owner.id, shown, state, better)
    if not (done.reviewed or done.changed or done.unread):
        raise NotFound("judgement")
    if done.reviewed:
        tell(caller, f"console.feedback.told.{state}", count=done.reviewed)
    if done.changed:
        tell(caller, "console.feedback.told.changed", count=done.changed)
    if done.unread:
        tell(caller, "console.feedback.told.unread", count=done.unread)
    return [done.decision, gr.Row(visible=True)] if done.reviewed else [gr.skip(), gr.skip()]


async def undo(store: Store, caller: Caller, decision: object) -> list[Any]:
    """Undo the operator's last decision, and hide the button."""
    count = 0
    if isinstance(decision, Decision):
        count = await store.call(store.undo_reviews, caller.owner.id, decision)
    tell(caller, "console.feedback.told.undone" if count else "console.feedback.told.not_undone", count=count)
    return [None, gr.Row(visible=False)]


def reason_of(caller: Caller, reason: str) -> str:
    """A stored key in the caller's language; a link's own reason is words already."""
    said = caller.known(f"judge.reason.{reason}")
    return reason if said is None else said


def rated(caller: Caller, one: Judgement) -> str:
    names = {1: "console.feedback.good", -1: "console.feedback.bad"}
    told = [names.get(one.rating), "console.feedback.better" if one.better else None]
    return ", ".join(caller.t(key) for key in told if key)


def _about(caller: Caller, one: Judgement) -> str:
    model = "" if one.judged is None else one.judged.model
    parts = (
        model,
        one.link,
        moment(caller, one.at),
        caller.t(f"console.feedback.state.{one.review.state}"),
    )
    about = " · ".join(plain(part) for part in parts if part)
    where = _chat_of(caller, one)
    return f"{about} · [{caller.t('console.feedback.open_chat')}]({where})" if where else about


def _said(caller: Caller, one: Judgement) -> str:
    reasons = ", ".join(reason_of(caller, reason) for reason in one.reasons)
    said = [": ".join(filter(None, (plain(rated(caller, one)), plain(reasons))))]
    if one.comment:
        said.append(f"{caller.t('console.feedback.comment')} {plain(one.comment)}")
    said += [f"{plain(answer.question.text)} {plain(str(answer.value))}" for answer in one.answers]
    return "\n\n".join(filter(None, said))


def _messages(caller: Caller, one: Judgement) -> list[Any]:
    if one.judged is None:
        return [{"role": "assistant", "content": caller.t("console.feedback.unreadable")}]
    roles = {"user": "user"}
    said = [
        {
            "role": roles.get(message.role, "assistant"),
            "content": escape(with_calls(message.text, message.tool_calls), quote=False),
        }
        for message in one.judged.prompt
    ]
    reply = with_calls(one.judged.reply, one.judged.calls)
    return [*said, {"role": "assistant", "content": escape(reply, quote=False)}]


def _chat_of(caller: Caller, one: Judgement) -> str:
    """Where the chat can be read: one's own in the chat, a tester's in its tab; empty if it can't."""
    if one.author_id == caller.owner.id:
        return f"../?c={one.conversation_id}"
    return f"?tab=testers&chat={one.conversation_id}" if one.judged and one.link_id else ""


def is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= 64
