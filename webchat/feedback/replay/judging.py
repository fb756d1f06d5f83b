"""A model as a judge of replies: what it is asked, and how its answer is read.

The replies it reads are models' and people's words, which may be written to talk it into a verdict. They are
put between tags whose names no text inside can know, but a judge may still follow them: a verdict is a hint.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from backends.types import Sampling
from webchat.feedback.replay.checks import BadCheck, unfenced
from webchat.sentences import Language, locale
from webchat.store import Store
from webchat.store.records import ConversationSettings
from webchat.store.replay_records import (
    STORED,
    ReplayItem,
    ReplayJudge,
    ReplayReply,
    ReplayRun,
    ReplayVariant,
    ToJudge,
)

Verdict = Literal["pass", "fail"]

JudgedItem = tuple[ReplayItem, tuple[tuple[ReplayReply, ...], ...]]
"""An item with the answers of each judge, about the stored reply and then about those of the runs."""

MOST_JUDGES = 10
"""Of a set."""

PROMPT_CHARS = 20_000
MOST_TOKENS = 1024
"""Of a verdict with its reasons."""
TAIL_CHARS = 2000
"""At the end of an answer that is still written, looked at for repetition."""
_SEED = 0
_SAID_CHARS, _TIMES = 40, 5
_PLACEHOLDERS = re.compile(r"\{(conversation|reply|reference)\}")
_MARKS = r"[\s*_\"'#>`]*"
_FIRST_WORD = re.compile(
    rf"{_MARKS}(?:(?:verdict|answer|结论){_MARKS}[:：]{_MARKS})?(pass|fail)(?![\w/|])(?!\s*(?:/|\||or\b))",
    re.IGNORECASE,
)
_NONE = "(none)"
_NOT_ASKED = ReplayReply(None, None)


def default_prompt(language: Language) -> str:
    """The question that is asked where no other one is chosen."""
    return locale(language)["replay.judge.prompt"]


def judge(model: str, key: str, prompt: str, name: str = "") -> ReplayJudge:
    """A judge that answers at temperature 0. model, key: of the model. name: the model's where it is empty.
    Raises BadCheck for a prompt over `PROMPT_CHARS`, or without a place for the reply."""
    if len(prompt) > PROMPT_CHARS:
        raise BadCheck(f"at most {PROMPT_CHARS} characters")
    if "{reply}" not in prompt:
        raise BadCheck("the judge's prompt has no {reply}")
    sampling = Sampling(temperature=0.0, seed=_SEED, max_tokens=MOST_TOKENS)
    # An empty system prompt: none at all.
    variant = ReplayVariant(key, ConversationSettings(key, "", sampling))
    return ReplayJudge(name or model, prompt, variant, model)


def with_judge(judges: Sequence[ReplayJudge], new: ReplayJudge) -> list[ReplayJudge]:
    """These judges with another one, in place of the one of its name. Raises BadCheck for more than
    `MOST_JUDGES`."""
    found = list({**{one.name: one for one in judges}, new.name: new}.values())
    if len(found) > MOST_JUDGES:
        raise BadCheck(f"at most {MOST_JUDGES} judges")
    return found


def filled(about: ToJudge) -> str:
    """The judge's prompt with its placeholders filled in, each text between tags of its own. The tags have a
    hash of all texts in their names, so that no text can end its own; what is filled in is not looked at for
    placeholders."""
    texts = [*(f"{one.role}\n{one.text}" for one in about.path), about.reply, about.reference]
    mark = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]

    def tagged(name: str, text: str) -> str:
        return f"<{name}-{mark}>\n{text}\n</{name}-{mark}>"

    said = "\n".join(tagged(one.role, one.text) for one in about.path if one.text.strip())
    values = {
        "conversation": tagged("conversation", said),
        "reply": tagged("reply", about.reply),
        "reference": tagged("reference", about.reference or _NONE),
    }
    return _PLACEHOLDERS.sub(lambda found: values[found[1]], about.prompt)


def repeats_itself(tail: str) -> bool:
    """Whether a text that ends like this says the same words again and again, as small models do at
    temperature 0 until their last token."""
    return tail.count(tail[-_SAID_CHARS:]) >= _TIMES if len(tail) >= _SAID_CHARS * _TIMES else False


def verdict_of(text: str) -> Verdict | None:
    """What a judge decided: its first word, which may have `Verdict:` before it, or the `verdict` of a JSON
    object that is all it wrote. Anything else is no verdict."""
    try:
        told = json.loads(unfenced(text))
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict):
        said = told.get("verdict")
        word = said.strip().casefold() if isinstance(said, str) else ""
    else:
        first = _FIRST_WORD.match(text)
        word = first[1].casefold() if first else ""
    return "pass" if word == "pass" else "fail" if word == "fail" else None


def judged_items(
    store: Store,
    operator: str,
    set_id: str,
    runs: Sequence[str],
    judging: Sequence[Sequence[ReplayRun]],
    *,
    after: int,
    limit: int,
) -> list[JudgedItem]:
    """The items behind the number `after`. judging: the runs of each judge."""
    of_judges = [{one.judges: one.id for one in theirs} for theirs in judging]
    asked = [by[run] for by in of_judges for run in (STORED, *runs) if run in by]
    found = store.replay_items(operator, set_id, [*runs, *asked], after=after, limit=limit)
    items = []
    for item in found:
        answers = dict(zip(asked, item.replies[len(runs) :], strict=True))
        verdicts = tuple(
            tuple(answers.get(by.get(run, ""), _NOT_ASKED) for by in of_judges) for run in (STORED, *runs)
        )
        items.append((replace(item, replies=item.replies[: len(runs)]), verdicts))
    return items
