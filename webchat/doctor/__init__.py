"""Checks of this machine and of what the settings name, each with its cure: `webchat doctor`, and the
console's *Health* tab.

A probe looks at one thing and returns findings, which are plain values; `examine` runs all probes, and
`faces` writes findings for a terminal or as JSON. Nothing is changed, and no model library is imported.
"""

from webchat.doctor.examining import AREAS, Patient, examine, forget
from webchat.doctor.faces import as_json, as_text, exit_code
from webchat.doctor.finding import Area, Finding, Level

__all__ = [
    "AREAS",
    "Area",
    "Finding",
    "Level",
    "Patient",
    "as_json",
    "as_text",
    "examine",
    "exit_code",
    "forget",
]
