"""The results of a set as one HTML file to show others: without scripts, and with nothing of elsewhere.

Replies are rendered as shares render them, so that nothing in one comes alive; a policy in the file forbids
whatever would. In pieces, since a set may be long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files

from backends._plurals import filled
from webchat.feedback.replay.checks import Check
from webchat.feedback.replay.comparing import (
    Judged,
    Summary,
    answers_of_judges,
    is_failed,
    is_whole,
    items,
    judges_itself,
    seconds_of,
    summaries,
)
from webchat.feedback.replay.diff import word_diff
from webchat.feedback.replay.judging import MOST_TOKENS, verdict_of
from webchat.feedback.replay.marked import marked
from webchat.feedback.replay.refusals import refuses
from webchat.feedback.results import Interval
from webchat.sentences import Language, locale
from webchat.store import Store
from webchat.store.records import REPEATED
from webchat.store.replay_records import ReplayItem, ReplayJudge, ReplayReply, ReplayRun, ReplaySet

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'"
_COLUMNS = ("variant", "done", "failed", "same", "refusals", "chars", "tokens", "first", "seconds")
_DECIDED = {"pass": "replay.judge.pass", "fail": "replay.judge.fail", None: "replay.judge.unclear"}
_ENDED_EARLY: Mapping[str | None, str] = {
    REPEATED: "replay.judge.ended.repeated",
    "length": "replay.judge.ended.too_long",
}
JUDGE_COLUMNS = ("judge", "variant", "judged", "unclear", "agreed", "judge_tokens")


def columns_of(of: ReplaySet) -> tuple[str, ...]:
    """What the table of a set tells of each variant."""
    return (*_COLUMNS, *(("passed",) if of.assertions else ()))


def report(
    store: Store, operator: str, of: ReplaySet, runs: Sequence[ReplayRun], language: Language
) -> Iterator[str]:
    """The file, piece by piece. Reads the store in the calling thread."""
    from webchat.sharing.markdown.parser import render  # takes a while to import

    words = locale(language)
    names = [words["replay.stored"], *(run.name for run in runs)]
    ids = [run.id for run in runs]
    yield _beginning(of, language, words)
    found = summaries(store, operator, of, ids)
    rows = [(name, *summary_cells(one, words)) for name, one in zip(names, found, strict=True)]
    yield _table(columns_of(of), rows, words["replay.columns_are"], words)
    if found[0].judged:
        yield f"<h2>{escape(words['replay.judges'])}</h2>\n"
        notes = " ".join((words["replay.judge.columns_are"], *told_of_judges(found, words)))
        yield _table(JUDGE_COLUMNS, judge_rows(names, found, words), notes, words)
    for judge in of.judges:
        yield _judge(judge, words)
    yield f"<h2>{escape(words['replay.report.items'])}</h2>\n"
    for item, verdicts in items(store, operator, of, ids):
        texts = [
            render(reply.text, words, None, f"r{item.number}-{at}-")
            for at, reply in enumerate((item.stored, *item.replies))
        ]
        told = [
            verdicts_of_judges(of.judges, reply, answers, words)
            for reply, answers in zip((item.stored, *item.replies), verdicts, strict=True)
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


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], note: str, words: Mapping[str, str]) -> str:
    kinds = ["", *(' dir="auto"' if name == "variant" else "" for name in columns[1:])]
    heads = "".join(
        f'<th scope="col"{kind}>{escape(words[f"replay.column.{name}"])}</th>'
        for name, kind in zip(columns, kinds, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row" dir="auto">{escape(name)}</th>'
        + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds[1:], cells, strict=True))
        + "</tr>\n"
        for name, *cells in rows
    )
    return (
        f'<div class="scroll"><table class="summary"><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>\n"
        f'<p class="note">{escape(note)}</p>\n'
    )


def _judge(judge: ReplayJudge, words: Mapping[str, str]) -> str:
    title = words["replay.judge.is"].format(name=judge.name, model=judge.model)
    return (
        f'<details><summary>{escape(title)}</summary><pre class="prompt" dir="auto">{escape(judge.prompt)}'
        "</pre></details>\n"
    )


def verdicts_of_judges(
    judges: Sequence[ReplayJudge],
    reply: ReplayReply,
    answers: Sequence[ReplayReply],
    words: Mapping[str, str],
) -> str:
    """What judges decided about a reply, with what they were asked and said, as HTML."""
    pairs = zip(judges, answers, strict=False)  # others where the judges were changed meanwhile
    return "".join(_verdict(judge.name, reply, answer, words) for judge, answer in pairs)


def _verdict(name: str, reply: ReplayReply, answer: ReplayReply, words: Mapping[str, str]) -> str:
    """Empty before there is one."""
    if answer.state is None or not (is_whole(answer) or is_failed(answer)):
        return ""
    verdict = verdict_of(answer.text) if is_whole(answer) else None
    decided = words[_DECIDED[verdict]]
    why = "" if answer.failure is None else answer.failure.message
    if not why and (key := _ENDED_EARLY.get(answer.finish_reason)):
        why = words[key].format(limit=f"{MOST_TOKENS:,}")
    told = f"{words['replay.judge.decided'].format(name=name)} {decided}{f' ({why})' if why else ''}"
    summary = escape(told)
    if judges_itself(reply, answer):
        summary += f' · <span class="flag">{escape(words["replay.judge.own"])}</span>'
    shown = "".join(
        f'<p>{escape(words[name])}</p><pre class="prompt" dir="auto">{escape(text)}</pre>'
        for name, text in (("replay.judge.asked", answer.prompt), ("replay.judge.answered", answer.text))
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
    return cells


def judge_rows(
    names: Sequence[str], found: Sequence[Summary], words: Mapping[str, str]
) -> list[tuple[str, ...]]:
    """The cells of `JUDGE_COLUMNS`: each check and judge, on each variant. names: of the variants."""
    return [
        (
            name_of(judged.by, words),
            variant,
            _passed(judged, words),
            str(judged.unclear) if isinstance(judged.by, str) else "",
            _share(judged.agreed, judged.liked, judged.agreed_interval),
            f"{judged.tokens:,}" if isinstance(judged.by, str) else "",
        )
        for of_judge in zip(*(one.judged for one in found), strict=True)
        for variant, judged in zip(names, of_judge, strict=True)
    ]


def name_of(by: Check | str, words: Mapping[str, str]) -> str:
    """What a check or a judge is called."""
    if isinstance(by, str):
        return by
    return ": ".join(filter(None, (words[f"console.replay.{by.kind}"], by.value)))


def _passed(judged: Judged, words: Mapping[str, str]) -> str:
    share = _share(judged.passed, judged.verdicts, judged.interval)
    return " · ".join(filter(None, (share, words["replay.judge.own"] if judged.own else "")))


def told_of_judges(found: Sequence[Summary], words: Mapping[str, str]) -> list[str]:
    """Sentences about what the judges took, and about each whose answers are of little use. Empty before the
    first answer."""
    answers = [one for one in answers_of_judges(found) if one.asked]
    told = []
    if answers:
        told.append(words["replay.judge.cost"].format(tokens=f"{sum(one.tokens for one in answers):,}"))
    for one in answers:
        names: dict[str, object] = {"name": one.by, "limit": f"{MOST_TOKENS:,}"}
        if one.is_undecided:
            names |= {"unclear": one.unclear, "asked": one.asked}
            told.append(filled(words["replay.judge.undecided"], names))
        if one.broken:
            told.append(filled(words["replay.judge.broken"], {**names, "count": one.broken}))
        if one.repeated:
            told.append(filled(words["replay.judge.repeated"], {**names, "count": one.repeated}))
        if one.too_long:
            told.append(filled(words["replay.judge.too_long"], {**names, "count": one.too_long}))
    return told


def _share(part: int, whole: int, interval: Interval | None) -> str:
    """Empty of nothing."""
    return f"{part}/{whole}{_range(interval)}" if whole else ""


def _counted(count: int, interval: Interval | None) -> str:
    return f"{count}{_range(interval)}"


def _range(interval: Interval | None) -> str:
    return "" if interval is None else f" ({100 * interval.low:.0f}–{100 * interval.high:.0f}%)"


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
        facts.append(filled(words["replay.tokens"], {"count": reply.completion_tokens}))
    _, seconds = seconds_of(reply)
    if seconds is not None:
        facts.append(words["replay.seconds"].format(count=f"{seconds:.1f}"))
    if reply.seed is not None:
        facts.append(words["replay.seed"].format(seed=reply.seed))
    told = [escape(fact) for fact in facts]
    if refuses(reply.text):
        told.append(f'<span class="flag">{escape(words["replay.refusal"])}</span>')
    return " · ".join(told)
