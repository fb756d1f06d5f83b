"""Links to hosts that are not on a list, masked or blocked: a moderator for webchat.

    [[moderators]]
    kind = "links"
    allow = ["example.com"]          # and what is under it: docs.example.com
    action = "mask"                  # flag, mask, replace or block
    instead = "[link]"

What a moderator is, `webchat.moderation.filters.Moderator` says. This one only has to find things; when text
is released, what is held back and what stands in the place of a match is done by `Matching`, for which a
finder says what it is sure of, and from where on more text could change that.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, get_args
from urllib.parse import urlsplit

from webchat.moderation.matching import Match, Matching, Rule, Seen
from webchat.moderation.verdicts import Action, Context, Fail, Report, Stage

OPTIONS = {"allow", "action", "instead", "sentence"}
LONGEST = 500
"""Characters of a link; of a longer one this much is taken as it."""

_LINK = re.compile(rf"https?://[^\s<>\"'()\[\]]{{1,{LONGEST}}}", re.IGNORECASE)
# What could become a link at the end of a text that goes on.
_BEGUN = re.compile(r"h(?:t(?:t(?:p(?:s?(?::(?:/(?:/)?)?)?)?)?)?)?\Z", re.IGNORECASE)


class Links:
    """The moderator. It has no state of any text, so one serves all."""

    kind = "links"
    name = "links"
    stages: frozenset[Stage] = frozenset({"input", "output"})
    fail: Fail = "closed"
    seconds = 5.0

    def __init__(self, allow: Collection[str], rule: Rule) -> None:
        self._allow = tuple(host.lower() for host in allow)
        self._rule = rule

    def open(self, context: Context, report: Report) -> Matching:
        """A filter for one text. Its rule has the moderator's name, which the table may set."""
        return Matching(partial(self._find, replace(self._rule, id=self.name)), report)

    def _find(self, rule: Rule, window: str, begin: int, *, last: bool) -> Seen:
        """See `webchat.moderation.matching.Finder`."""
        opened = len(window)
        if not last and (begun := _BEGUN.search(window, begin)):
            opened = begun.start()
        matches = []
        for found in _LINK.finditer(window, begin):
            if found.end() == len(window) and not last:
                opened = min(opened, found.start())  # it may go on
                break
            if not self._allowed(found.group()):
                matches.append(Match(found.start(), found.end(), rule))
        return Seen(matches, opened)

    def _allowed(self, link: str) -> bool:
        try:
            host = (urlsplit(link).hostname or "").rstrip(".")
        except ValueError:
            return False
        return any(host == allowed or host.endswith(f".{allowed}") for allowed in self._allow)


def make(options: Mapping[str, Any]) -> Links:
    """A moderator from the options of a table in the rules file; webchat sets `name`, `stages` and `fail`.
    Raises `ValueError` for options that are wrong; webchat reports it with the place."""
    if unknown := set(options) - OPTIONS:
        raise ValueError(f"{min(unknown)}: there is no such option, only {', '.join(sorted(OPTIONS))}")
    allow = options.get("allow", [])
    if not isinstance(allow, list) or not all(isinstance(host, str) for host in allow):
        raise ValueError("allow: give a list of hosts")
    action = options.get("action", "mask")
    if action not in set(get_args(Action)) - {"allow"}:
        raise ValueError("action: give flag, mask, replace or block")
    sentence = options.get("sentence", "")
    rule = Rule(
        Links.name,
        action,
        options.get("instead", "[link]"),
        sentence or "Links to elsewhere are not allowed here.",
        "Take the link out and try again.",
        own=bool(sentence),
    )
    return Links(allow, rule)
