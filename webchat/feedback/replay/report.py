"""The results of a set as one HTML file to show others: without scripts, and with nothing of elsewhere.

Replies are rendered as shares render them, so that nothing in one comes alive; a policy in the file forbids
whatever would. In pieces, since a set may be long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files

from webchat.feedback.replay.comparing import (
    Summary,
    is_failed,
    is_whole,
    items,
    judges_itself,
    seconds_of,
    summaries,
)
from webchat.feedback.replay.diff import word_diff
from webchat.feedback.replay.judging import verdict_of
from webchat.feedback.replay.marked import marked
from webchat.feedback.replay.refusals import refuses
from webchat.feedback.results import Interval
from webchat.sentences import Language, locale
from webchat.store import Store
from webchat.store.replay_records import ReplayItem, ReplayJudge, ReplayReply, ReplayRun, ReplaySet

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'"
_COLUMNS = ("variant", "done", "failed", "same", "refusals", "chars", "tokens", "first", "seconds")
_JUDGED = ("judged", "unclear", "judge_tokens")


def columns_of(of: ReplaySet) -> tuple[str, ...]:
    """What the table of a set tells of each variant."""
    passed = ("passed",) if of.assertions else ()
    return (*_COLUMNS, *passed, *(_JUDGED if of.judged_by else ()))


def report(
    store: Store, operator: str, of: ReplaySet, runs: Sequence[ReplayRun], language: Language
) -> Iterator[str]:
    """The file, piece by piece. Reads the store in the calling thread."""
    from webchat.sharing.markdown.parser import render  # takes a while to import

    words = locale(language)
    names = [words["replay.stored"], *(run.name for run in runs)]
    ids = [run.id for run in runs]
    yield _beginning(of, language, words)
    yield _summary_table(names, summaries(store, operator, of, ids), columns_of(of), words)
    if of.judged_by is not None:
        yield _judge(of.judged_by, words)
    yield f"<h2>{escape(words['replay.report.items'])}</h2>\n"
    for item, verdicts in items(store, operator, of, ids):
        texts = [
            render(reply.text, words, None, f"r{item.number}-{at}-")
            for at, reply in enumerate((item.stored, *item.replies))
        ]
        told = [
            "" if verdict is None else verdict_of_judge(reply, verdict, words)
            for reply, verdict in zip((item.stored, *item.replies), verdicts, strict=True)
        ]
        yield _item(item, names, texts, told, words)
    yield "</main></body></html>\n"


def _beginning(of: ReplaySet, language: Language, words: Mapping[str, str]) -> str:
    style = files("webchat.feedback.replay").joinpath("report.css").read_text(encoding="utf-8")
    title = escape(words["replay.report.title"].format(name=of.name))
    made = words["replay.report.about"].format(count=of.items, when=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">\n'
        f"<title>{title}</title>\n<style>\n{style}</style></head>\n"
        f'<body><header><h1 dir="auto">{title}</h1><p class="about">{escape(made)}</p></header><main>\n'
    )


def _summary_table(
    names: Sequence[str], found: Sequence[Summary], columns: Sequence[str], words: Mapping[str, str]
) -> str:
    heads = "".join(f'<th scope="col">{escape(words[f"replay.column.{name}"])}</th>' for name in columns)
    rows = "".join(
        f'<tr><th scope="row" dir="auto">{escape(name)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in summary_cells(one, words))
        + "</tr>\n"
        for name, one in zip(names, found, strict=True)
    )
    return (
        f'<div class="scroll"><table class="summary"><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>\n"
        f'<p class="note">{escape(words["replay.columns_are"])}</p>\n'
    )


def _judge(judge: ReplayJudge, words: Mapping[str, str]) -> str:
    title = words["replay.judge.is"].format(name=judge.name)
    return (
        f'<p class="note">{escape(words["replay.judge.columns_are"])}</p>\n'
        f'<details><summary>{escape(title)}</summary><pre class="prompt" dir="auto">{escape(judge.prompt)}'
        "</pre></details>\n"
    )


def verdict_of_judge(reply: ReplayReply, answer: ReplayReply, words: Mapping[str, str]) -> str:
    """What a judge decided about a reply, with what it was asked and said, as HTML; empty before it has."""
    if answer.state is None or not (is_whole(answer) or is_failed(answer)):
        return ""
    verdict = verdict_of(answer.text) if is_whole(answer) else None
    decided = words[f"replay.judge.{verdict or 'unclear'}"]
    why = "" if answer.failure is None else f" ({answer.failure.message})"
    told = f"{words['replay.judge.decided'].format(name=answer.model)} {decided}{why}"
    summary = escape(told)
    if judges_itself(reply, answer):
        summary += f' · <span class="flag">{escape(words["replay.judge.own"])}</span>'
    shown = "".join(
        f'<p>{escape(words[f"replay.judge.{name}"])}</p><pre class="prompt" dir="auto">{escape(text)}</pre>'
        for name, text in (("asked", answer.prompt), ("answered", answer.text))
    )
    return f'<details class="verdict"><summary>{summary}</summary>{shown}</details>'


def summary_cells(one: Summary, words: Mapping[str, str]) -> list[str]:
    """The cells of `columns_of` but the first, as text."""
    cells = [
        f"{one.done}/{one.items}",
        str(one.failed),
        str(one.same),
        _counted(one.refusals, one.refusal_interval),
        "" if one.chars is None else f"{one.chars:.0f}",
        "" if one.tokens is None else f"{one.tokens:.0f}",
        "" if one.first_token_seconds is None else f"{one.first_token_seconds:.2f}",
        "" if one.seconds is None else f"{one.seconds:.2f}",
    ]
    if one.passed is not None:
        cells.append(_counted(one.passed, one.passed_interval))
    if one.judged is not None:
        judged = one.judged
        share = f"{judged.passed}/{judged.verdicts}{_range(judged.interval)}"
        own = words["replay.judge.own"] if judged.own else ""
        cells += [" · ".join(filter(None, (share, own))), str(judged.unclear), str(judged.tokens)]
    return cells


def _counted(count: int, interval: Interval | None) -> str:
    return f"{count}{_range(interval)}"


def _range(interval: Interval | None) -> str:
    return "" if interval is None else f" ({interval.low:.0%}-{interval.high:.0%})"


def _item(
    item: ReplayItem,
    names: Sequence[str],
    texts: Sequence[str],
    verdicts: Sequence[str],
    words: Mapping[str, str],
) -> str:
    given = zip(names, (item.stored, *item.replies), texts, verdicts, strict=True)
    replies = "".join(
        _reply(name, reply, text, verdict, None if at == 0 else item.stored, words)
        for at, (name, reply, text, verdict) in enumerate(given)
    )
    return (
        f'<section class="item" id="i{item.number}"><h3>{item.number}</h3>\n'
        f'<div class="asked" dir="auto">{escape(item.asked)}</div>\n'
        f'<div class="replies">{replies}</div></section>\n'
    )


def _reply(
    name: str,
    reply: ReplayReply,
    text: str,
    verdict: str,
    stored: ReplayReply | None,
    words: Mapping[str, str],
) -> str:
    """stored: what it is compared with."""
    facts = f'<p class="facts">{facts_of(reply, words)}</p>'
    diff = ""
    if stored is not None and is_whole(reply) and reply.text.strip() != stored.text.strip():
        pieces = marked(word_diff(stored.text, reply.text))
        diff = (
            f"<details><summary>{escape(words['replay.diff'])}</summary>"
            f'<div class="diff" dir="auto">{pieces}</div></details>'
        )
    return (
        f'<article class="reply"><h3 dir="auto">{escape(name)}</h3>{facts}'
        f'<div class="text" dir="auto">{text}</div>{diff}{verdict}</article>'
    )


def facts_of(reply: ReplayReply, words: Mapping[str, str]) -> str:
    """Length, tokens, time, and what became of a reply, as HTML."""
    if reply.state is None:
        return escape(words["replay.open"])
    if is_failed(reply):
        why = "" if reply.failure is None else reply.failure.message
        return escape(": ".join(filter(None, (words["replay.failed"], why))))
    facts = [words["replay.chars"].format(count=len(reply.text))]
    if reply.completion_tokens is not None:
        facts.append(words["replay.tokens"].format(count=reply.completion_tokens))
    _, seconds = seconds_of(reply)
    if seconds is not None:
        facts.append(words["replay.seconds"].format(count=f"{seconds:.1f}"))
    if reply.seed is not None:
        facts.append(words["replay.seed"].format(seed=reply.seed))
    told = [escape(fact) for fact in facts]
    if refuses(reply.text):
        told.append(f'<span class="flag">{escape(words["replay.refusal"])}</span>')
    return " · ".join(told)
