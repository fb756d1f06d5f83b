"""Findings for a terminal, for programs, and as an exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence

from backends._plurals import filled
from webchat.doctor.finding import Finding, Level
from webchat.sentences import Language, locale

MARKS: dict[Level, str] = {"ok": "ok", "note": "note", "warning": "WARN", "error": "ERROR"}


def sentence(finding: Finding, language: Language = "en") -> str:
    """What was found."""
    return filled(finding.text or locale(language)[f"doctor.{finding.code}"], finding.params)


def cure(finding: Finding, language: Language = "en") -> str:
    """What to do; empty if there is nothing to be done."""
    text = finding.cure or locale(language).get(f"doctor.{finding.code}.cure", "")
    return filled(text, finding.params)


def as_text(finding: Finding) -> str:
    """A line, and one for the cure."""
    line = f"{MARKS[finding.level]:<6}{sentence(finding)}"
    return f"{line}\n{'':<6}-> {told}" if (told := cure(finding)) else line


def as_json(findings: Sequence[Finding]) -> str:
    """An object: `findings`, each with `area`, `level`, `code`, `params`, `text`, `cure`, and `exit_code`."""
    listed = [
        {
            "area": one.area,
            "level": one.level,
            "code": one.code,
            "params": dict(one.params),
            "text": sentence(one),
            "cure": cure(one),
        }
        for one in findings
    ]
    return json.dumps({"findings": listed, "exit_code": exit_code(findings)}, ensure_ascii=False, indent=2)


def exit_code(findings: Sequence[Finding]) -> int:
    """0 if all is well, 1 if there are warnings, 2 if there are errors."""
    levels = {one.level for one in findings}
    return 2 if "error" in levels else 1 if "warning" in levels else 0
