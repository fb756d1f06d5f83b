"""Findings of the doctor, as the console shows them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from webchat.console.asking import Caller
from webchat.doctor import AREAS, Finding
from webchat.doctor.faces import cure, sentence


def findings(caller: Caller, found: Sequence[Finding], note: str = "") -> str:
    """HTML: by area, the worst first within each. note: stands below them."""
    order = ("error", "warning", "note", "ok")
    parts = []
    for area in AREAS:
        mine = sorted((one for one in found if one.area == area), key=lambda one: order.index(one.level))
        if mine:
            rows = "".join(_row(caller, one) for one in mine)
            title = escape(caller.t(f"console.health.area.{area}"))
            parts.append(f"<section><h4>{title}</h4><ul>{rows}</ul></section>")
    if note:
        parts.append(f'<p class="wc-note">{escape(note)}</p>')
    return f'<div class="wc-checks">{"".join(parts)}</div>'


def _row(caller: Caller, one: Finding) -> str:
    level = escape(caller.t(f"console.health.level.{one.level}"))
    said = _html(sentence(one, caller.language))
    told = f'<span class="wc-level {one.level}">{level}</span> <span>{said}'
    if remedy := cure(one, caller.language):
        told += f"<small>{_html(remedy)}</small>"
    return f"<li>{told}</span></li>"


def _html(text: str) -> str:
    """On one line: after an empty one, Markdown would begin again, and what others word be marks of it."""
    return escape(" ".join(text.split()))
