"""Rows of training data from judgements and comparisons.

A row is what one config of the dataset has of one judgement. Its columns are those of trl; everything else is
in one flat column `webchat` with fixed keys and no nulls, because trainers and `datasets` decide by the names
of columns and by the first rows what a file is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from backends.texts import is_deep
from backends.types import ToolCall
from webchat.feedback.datasets.options import Mask
from webchat.store.judgement_records import Comparison, Judged, JudgedMessage, Judgement

Config = Literal["sft", "dpo", "kto", "reward", "grpo", "messages", "judgements"]

Turn = dict[str, Any]
"""A message as trainers read it: `role` and `content`; with `tool_calls` where the assistant called tools,
and with the `name` of the tool in a result."""

LEFT_OUT: Mapping[str, str] = {
    "not_accepted": "judgements that were not accepted in the review, and rejected votes",
    "no_consent": "of testers whose consent sentence does not cover training",
    "running": "the reply had not ended, or failed",
    "continues": "it continues a reply that had ended (Continue this reply), which trainers cannot express",
    "no_question": "the last message before the reply is not a person's or a tool's",
    "unfinished": "the reply was stopped or cut off, so it is neither a good nor a bad example",
    "empty": "the reply is empty",
    "bad_call": "a tool call whose arguments are not a JSON object, or a result without its call",
    "no_thumb": "no thumb and no better answer",
    "no_vote": "comparisons without a vote",
    "tie": "ties: no reply is better",
    "both_bad": "both replies are bad: no pair",
    "same_text": "both replies are the same",
    "other_prompt": "the two replies answer different prompts, such as another system prompt",
    "same_reply": "the reply is in the file already, from another judgement",
}
"""What is left out and why, in the words of the data card. Those from "no_thumb" on leave out rows only."""

_REASONING = re.compile(r"\s*<(think|thinking|reasoning|thought)>.*?</\1>\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Row:
    """body: the columns. about: the column `webchat`. key: rows of a config with the same one are the same;
    empty for none. prompt: of the KTO rule on neighbours. versions: KTO rows with the same one judge versions
    of one reply. text: all that a model reads of it, for its length."""

    config: Config
    body: Mapping[str, Any]
    about: Mapping[str, Any]
    tools: bool = False
    label: bool | None = None
    key: str = ""
    prompt: str = ""
    versions: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Texts:
    """What may be in rows of a judgement, cleaned. replies: one message each. answers: to the link's
    questions about the reply, by the question's text, as JSON; empty for none. tools: the definitions that
    the model was asked with, as JSON."""

    prompt: tuple[Turn, ...]
    replies: tuple[Turn, ...]
    better: str
    comment: str
    answers: str = ""
    tools: str = "[]"

    @property
    def with_tools(self) -> bool:
        """Whether trainers need to know of tools."""
        return self.tools != "[]" or any(
            turn["role"] == "tool" or "tool_calls" in turn for turn in (*self.prompt, *self.replies)
        )


def refused(one: Judgement | Comparison) -> str:
    """Why nothing at all is made of this one; empty if something may be."""
    if one.review.state not in ("accepted", "edited") and not _is_vote(one):
        return "not_accepted"
    if one.link_id is not None and not (one.consent and one.consent.covers):
        return "no_consent"
    sides = [one.judged] if isinstance(one, Judgement) else [one.left.judged, one.right.judged]
    for judged in sides:
        if judged is None:
            return "running"
        if judged.continues:
            return "continues"
        if not judged.prompt or judged.prompt[-1].role not in ("user", "tool"):
            return "no_question"
        if not _calls_fit(judged):
            return "bad_call"
    return ""


def _calls_fit(judged: Judged) -> bool:
    """Whether trainers can be told of all tool calls: their arguments are objects, and a result has its
    call."""
    path = _sent(judged)
    called: set[str] = set()
    for message in path:
        called |= {call.id for call in message.tool_calls}
        if message.role == "tool" and message.tool_call_id not in called:
            return False
    every = [*(call for message in path for call in message.tool_calls), *judged.calls]
    return all(isinstance(_arguments(call), dict) for call in every)


def _arguments(call: ToolCall) -> Any:
    """`None` for what is not JSON, and for JSON that is nested too deeply."""
    try:
        value = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return None
    return None if is_deep(value) else value


def _is_vote(one: Judgement | Comparison) -> bool:
    """Votes count unless they were rejected: they are choices, and nobody's words."""
    return isinstance(one, Comparison) and one.review.state == "new"


def cleaned(one: Judgement | Comparison, *, reasoning: bool, mask: Mask | None) -> Texts:
    """Texts without reasoning and, if asked, without personal data. One that is not `refused`."""
    better = one.review.better or (one.better if isinstance(one, Judgement) else "")
    judged = sides(one)
    path = _sent(judged[0])
    texts = [message.text for message in path] + [side.reply for side in judged]
    if not reasoning:
        roles = [message.role for message in path] + ["assistant"] * len(judged)
        texts = [
            _REASONING.sub("", text, count=1) if role == "assistant" and _REASONING.match(text) else text
            for role, text in zip(roles, texts, strict=True)
        ]
    answers = one.answers if isinstance(one, Judgement) else ()
    texts += [better, one.comment, *(str(answer.value) for answer in answers)]
    every = [message.tool_calls for message in path] + [side.calls for side in judged]
    called = [[call.id, call.name, _arguments(call)] for calls in every for call in calls]
    defined = [_defined(tool) for tool in judged[0].options.get("tools", ())]
    known = len(texts)
    texts += _strings([called, defined])
    if mask is not None:
        texts = list(mask(texts))
    called, defined = _with_strings([called, defined], iter(texts[known:]))
    filled = iter(called)
    roles = [message.role for message in path] + ["assistant"] * len(judged)
    turns = [
        _turn(role, text, [next(filled) for _ in calls])
        for role, text, calls in zip(roles, texts, every, strict=False)
    ]
    ids = (call.id for calls in every for call in calls)
    answered = {
        id: {"name": name, "tool_call_id": masked} for id, (masked, name, _) in zip(ids, called, strict=True)
    }
    for message, turn in zip(path, turns, strict=False):
        if message.tool_call_id is not None:
            turn |= answered[message.tool_call_id]
    prompt = tuple(turns[: len(path)])
    end = len(path) + len(judged)
    values = [
        answer.value if isinstance(answer.value, int) else text
        for answer, text in zip(answers, texts[end + 2 : known], strict=True)
    ]
    said = {answer.question.text: value for answer, value in zip(answers, values, strict=True)}
    told = json.dumps(said, ensure_ascii=False) if said else ""
    tools = json.dumps(defined, ensure_ascii=False)
    return Texts(prompt, tuple(turns[len(path) :]), texts[end], texts[end + 1], told, tools)


def _turn(role: str, text: str, calls: Sequence[tuple[str, str, object]]) -> Turn:
    """calls: id, name and arguments of each."""
    turn: Turn = {"role": role, "content": text}
    if calls:
        turn["tool_calls"] = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for id, name, arguments in calls
        ]
    return turn


def _defined(tool: Mapping[str, object]) -> dict[str, Any]:
    """The definition of a tool, in the form of OpenAI's API."""
    return {"type": "function", "function": {name: one for name, one in tool.items() if one is not None}}


def _strings(value: object) -> Iterator[str]:
    """The texts in a JSON value, in order, and its keys and numbers: they are as private."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, str) or _is_number(value):
        yield str(value)


def _with_strings(value: object, texts: Iterator[str]) -> Any:
    """The value with others in the place of its texts. A number that gets another becomes a text."""
    if isinstance(value, dict):
        return {next(texts): _with_strings(one, texts) for one in value.values()}
    if isinstance(value, list):
        return [_with_strings(one, texts) for one in value]
    if _is_number(value):
        return value if (text := next(texts)) == str(value) else text
    return next(texts) if isinstance(value, str) else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def sides(one: Judgement | Comparison) -> tuple[Judged, ...]:
    """The replies that were judged; the left one first."""
    judged = (one.judged,) if isinstance(one, Judgement) else (one.left.judged, one.right.judged)
    return tuple(side for side in judged if side is not None)


def models(one: Judgement | Comparison) -> tuple[str, ...]:
    """What the models of `sides` are called; of a comparison, by the server and not by a blind link."""
    if isinstance(one, Comparison):
        return one.left.model, one.right.model
    return tuple(side.model for side in sides(one))


def _sent(judged: Judged) -> Sequence[JudgedMessage]:
    """What the model was sent: a conversation longer than its context lost the first messages."""
    system = [message for message in judged.prompt[:1] if message.role == "system"]
    rest = judged.prompt[len(system) :]
    return [*system, *rest[min(judged.cut, len(rest) - 1) :]]


class Rows:
    """The rows of one judgement or comparison. left_out counts what is not made, by reason."""

    def __init__(self, one: Judgement | Comparison, texts: Texts, about: Mapping[str, object]) -> None:
        self._one = one
        self._texts = texts
        self._about = about
        self._sides = sides(one)
        self._prompt = list(texts.prompt)
        self._seen = json.dumps(self._prompt, ensure_ascii=False)
        self.left_out: list[str] = []

    def all(self) -> Iterator[Row]:
        """Every row, for all configs."""
        yield self._row("judgements", _flat(self._one, self._texts))
        if isinstance(self._one, Judgement):
            yield from self._of_judgement(self._one)
        else:
            yield from self._of_comparison(self._one)
        yield self._row("grpo", {"prompt": self._prompt}, key=self._seen)

    def _of_judgement(self, one: Judgement) -> Iterator[Row]:
        reply, better = self._texts.replies[0], self._texts.better
        usable = self._usable(0)
        if better.strip():
            yield from self._completion(_said(better), one.message_id)
            if usable and _differ(reply, _said(better)):
                yield from self._pair(_said(better), reply, "better")
        elif one.rating == 1 and usable:
            yield from self._completion(reply, one.message_id)
        if not one.rating:
            if not better.strip():
                self.left_out.append("no_thumb")
            return
        if not usable:
            self.left_out.append("unfinished" if _says(reply) else "empty")
            return
        yield self._labelled(reply, one.rating > 0, f"{one.owner_id} {one.conversation_id} {self._seen}")

    def _of_comparison(self, one: Comparison) -> Iterator[Row]:
        better = self._texts.better
        if better.strip():
            yield from self._completion(_said(better), one.asked_id)
            for at, reply in enumerate(self._texts.replies):
                if self._usable(at) and _differ(reply, _said(better)):
                    yield from self._pair(_said(better), reply, "better")
        for at, side in enumerate((one.left, one.right)):
            if side.good is not None and self._usable(at):
                yield self._labelled(self._texts.replies[at], side.good)
        if one.preferred in (None, "tie"):
            bad = one.left.good is False and one.right.good is False
            self.left_out.append("no_vote" if one.preferred is None else "both_bad" if bad else "tie")
            return
        chosen = 0 if one.preferred == "left" else 1
        left, right = self._sides
        if not (self._usable(0) and self._usable(1)):
            self.left_out.append("unfinished")
        elif _read(left) != _read(right):
            self.left_out.append("other_prompt")
        elif not _differ(*self._texts.replies):
            self.left_out.append("same_text")
        else:
            replies = self._texts.replies
            yield from self._pair(replies[chosen], replies[1 - chosen], "vote")

    def _usable(self, at: int) -> bool:
        return self._sides[at].whole and _says(self._texts.replies[at])

    def _labelled(self, reply: Turn, good: bool, versions: str = "") -> Row:
        """What was found good or bad by itself. The two sides of a vote are a pair already."""
        body = {"prompt": self._prompt, "completion": [reply], "label": good}
        return self._row("kto", body, label=good, prompt=self._seen, versions=versions)

    def _completion(self, reply: Turn, reply_id: str) -> Iterator[Row]:
        body = {"prompt": self._prompt, "completion": [reply]}
        key = f"{reply_id} {json.dumps(reply, ensure_ascii=False)}"
        yield self._row("sft", body, key=key)
        yield self._row("messages", {"messages": [*self._prompt, reply]}, key=key)

    def _pair(self, chosen: Turn, rejected: Turn, source: str) -> Iterator[Row]:
        about = {**self._about, "source": source}
        yield from pair(self._prompt, [chosen], [rejected], about, self._tools)

    @property
    def _tools(self) -> str | None:
        return self._texts.tools if self._texts.with_tools else None

    def _row(self, config: Config, body: Mapping[str, object], **more: Any) -> Row:
        return _made(config, body, self._about, self._tools, **more)


def pair(
    prompt: list[Turn],
    chosen: list[Turn],
    rejected: list[Turn],
    about: Mapping[str, object],
    tools: str | None = None,
) -> Iterator[Row]:
    """The same preference with an explicit prompt, for DPO, and an implicit one, for reward models. tools:
    the column of that name; `None` for rows that have nothing to do with tools."""
    text = max(
        (_text({"prompt": prompt, "completion": one, "tools": tools}) for one in (chosen, rejected)), key=len
    )
    body: dict[str, Any] = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    yield _made("dpo", body, about, tools, text=text)
    body = {"chosen": [*prompt, *chosen], "rejected": [*prompt, *rejected]}
    yield _made("reward", body, about, tools, text=text)


def _made(
    config: Config, body: Mapping[str, object], about: Mapping[str, object], tools: str | None, **more: Any
) -> Row:
    if tools is not None:
        body = {**body, "tools": tools}
    return Row(config, body, about, tools is not None, **{"text": _text(body), **more})


def about(one: Judgement | Comparison, person: str, conversation: str) -> dict[str, Any]:
    """The column `webchat`: the same keys and types in every row. person, conversation: hashes."""
    judged = sides(one)
    found = judged[0].provenance
    names = (*models(one), "")
    return {
        "source": "thumb" if isinstance(one, Judgement) else "vote",
        "judgement": one.id,
        "person": person,
        "conversation": conversation,
        "link": one.link,
        "at": _time(one.changed_at if isinstance(one, Judgement) else one.voted_at or one.at),
        "model": names[0],
        "other_model": names[1],
        "revision": _plain(found, "revision"),
        "adapter": _plain(found, "adapter"),
        "template": _plain(found, "template"),
        "review": one.review.state,
        "reasons": ",".join(one.reasons) if isinstance(one, Judgement) else "",
        "consent": one.consent.version if one.consent else 0,
        "masked": sum(side.masked for side in judged),
        "cut": judged[0].cut,
        "provenance": json.dumps(dict(found), ensure_ascii=False, sort_keys=True, default=str),
    }


def _flat(one: Judgement | Comparison, texts: Texts) -> dict[str, Any]:
    """A row of the file of all judgements."""
    both = [*texts.replies, _said("")]
    called = [json.dumps(reply.get("tool_calls", []), ensure_ascii=False) for reply in both]
    return {
        **({"calls": called[0], "other_calls": called[1]} if texts.with_tools else {}),
        "prompt": list(texts.prompt),
        "reply": both[0]["content"],
        "other_reply": both[1]["content"],
        "better": texts.better,
        "rating": one.rating if isinstance(one, Judgement) else 0,
        "preferred": (one.preferred or "") if isinstance(one, Comparison) else "",
        "good": _opinion(one.left.good) if isinstance(one, Comparison) else "",
        "other_good": _opinion(one.right.good) if isinstance(one, Comparison) else "",
        "comment": texts.comment,
        "answers": texts.answers,
    }


def _opinion(good: bool | None) -> str:
    return "" if good is None else "good" if good else "bad"


def _said(text: str) -> Turn:
    return {"role": "assistant", "content": text}


def _says(reply: Turn) -> bool:
    return bool(reply["content"].strip() or reply.get("tool_calls"))


def _differ(one: Turn, other: Turn) -> bool:
    """Whether two replies say or call something else."""
    return _compared(one) != _compared(other)


def _compared(reply: Turn) -> tuple[str, Sequence[Mapping[str, Any]]]:
    return reply["content"].strip(), [call["function"] for call in reply.get("tool_calls", ())]


def _read(judged: Judged) -> list[tuple[str, str, Sequence[ToolCall]]]:
    """What the model was sent, to compare."""
    return [(message.role, message.text, message.tool_calls) for message in _sent(judged)]


def _plain(found: Mapping[str, object], key: str) -> str:
    value = found.get(key)
    return "" if value is None else str(value)


def _time(moment: datetime) -> str:
    """Not ISO 8601, which readers of JSON take for a time in some files and for a text in others."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _text(body: Mapping[str, Any]) -> str:
    turns = [turn for value in body.values() if isinstance(value, list) for turn in value]
    called = [json.dumps(turn["tool_calls"], ensure_ascii=False) for turn in turns if "tool_calls" in turn]
    return "\n".join([*(turn["content"] for turn in turns), *called, body.get("tools") or ""]).rstrip("\n")
