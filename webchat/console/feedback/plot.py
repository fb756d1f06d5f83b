"""A plot of judgements over time, by model: pictures in the page's own colours, made of numbers alone.

Gradio's plots are drawn by Vega, which compiles expressions by `new Function`; the page's policy has no
`unsafe-eval`, so that they stay empty there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape

from webchat.console.asking import Caller
from webchat.store.judgement_records import JudgementCount

MOST_MODELS = 6
MOST_BARS = 60
"""More days are drawn as weeks, months or longer."""

_WIDTH, _HEIGHT = 720, 72


@dataclass(slots=True)
class Bar:
    """Judgements of some days. other: neither good nor bad, such as a better answer alone."""

    good: int = 0
    bad: int = 0
    other: int = 0

    @property
    def total(self) -> int:
        return self.good + self.bad + self.other


def plot(caller: Caller, counts: Sequence[JudgementCount]) -> str:
    """HTML: a row of bars for each of the most judged models. counts: the oldest first; empty for none."""
    if not counts:
        return ""
    first, last = min(one.day for one in counts), max(one.day for one in counts)
    step = -(-((last - first).days + 1) // MOST_BARS)
    bars = -(-((last - first).days + 1) // step)
    models: dict[str, list[Bar]] = {}
    for one in counts:
        row = models.setdefault(one.model, [Bar() for _ in range(bars)])
        bar = row[(one.day - first).days // step]
        bar.good += one.good
        bar.bad += one.bad
        bar.other += one.total - one.good - one.bad
    most = sorted(models, key=lambda name: (-sum(bar.total for bar in models[name]), name))[:MOST_MODELS]
    highest = max(bar.total for name in most for bar in models[name])
    rows = "".join(_row(caller, name, models[name], highest, first, step) for name in most)
    dates = f"<span>{first.isoformat()}</span><span>{last.isoformat()}</span>"
    left = len(models) - len(most)
    more = f"<p>{escape(caller.t('console.feedback.plot.more', count=left))}</p>" if left else ""
    return f'<div class="wc-plot">{rows}<div class="wc-plot-dates">{dates}</div>{more}</div>'


def _row(caller: Caller, model: str, bars: Sequence[Bar], highest: int, first: date, step: int) -> str:
    good, bad = sum(bar.good for bar in bars), sum(bar.bad for bar in bars)
    told = _told(caller, good, bad, sum(bar.total for bar in bars))
    width = _WIDTH / len(bars)
    drawn = "".join(
        _bar(caller, bar, at * width, width, highest, first + timedelta(days=at * step), step)
        for at, bar in enumerate(bars)
        if bar.total
    )
    name = escape(model or caller.t("console.feedback.plot.no_model"))
    return (
        f'<figure><figcaption><b dir="auto">{name}</b> <span>{escape(told)}</span></figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img"'
        f' aria-label="{name}: {escape(told)}">{drawn}</svg></figure>'
    )


def _bar(caller: Caller, bar: Bar, x: float, width: float, highest: int, day: date, step: int) -> str:
    days = day.isoformat() if step == 1 else f"{day.isoformat()} … {day + timedelta(days=step - 1)}"
    told = _told(caller, bar.good, bar.bad, bar.total)
    parts, top = [], float(_HEIGHT)
    for kind, count in (("good", bar.good), ("bad", bar.bad), ("other", bar.other)):
        tall = _HEIGHT * count / highest
        top -= tall
        if count:
            parts.append(
                f'<rect class="wc-plot-{kind}" x="{x + width * 0.1:.2f}" y="{top:.2f}"'
                f' width="{width * 0.8:.2f}" height="{tall:.2f}"/>'
            )
    return f"<g><title>{escape(days)}: {escape(told)}</title>{''.join(parts)}</g>"


def _told(caller: Caller, *counts: int) -> str:
    good, bad, total = (f"{count:,}" for count in counts)
    return caller.t("console.feedback.plot.of", good=good, bad=bad, total=total)
