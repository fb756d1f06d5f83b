"""Failures by role.

The store keeps everything. Operators see the cause, the address, the endpoint's own words and a remedy only
operators can apply; everyone else reads in plain words what happened and what they can do. Every route and
event that carries a failure uses `failure_for`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from math import ceil
from typing import Literal

from starlette.responses import Response

from backends._plurals import filled
from webchat.auth.answers import error_answer
from webchat.sentences import locale
from webchat.store.records import Failure, Owner

PUBLIC = frozenset((
    "blocked", "comparison_open", "comparison_running", "consent_changed", "consent_needed", "key_tokens",
    "link_busy", "link_conversations", "link_ended", "link_expired", "link_full",
    "link_conversations_each", "link_messages_each", "link_tokens_each", "link_tokens_each_reserved",
    "link_messages", "link_paused", "link_prompt", "link_revoked", "link_tokens",
    "link_tokens_reached", "link_tokens_reserved", "not_found", "nothing_to_replay", "replay_name_taken",
    "review_taken", "share_too_long", "side_failed", "template_changed",
    "imports_unfinished", "too_many_keys", "too_many_webhooks", "too_many_shares", "too_many_versions",
))  # fmt: skip
"""Codes of failures whose own text is for everyone."""

_ID = re.compile(r"[0-9a-f]{1,16}")


def failure_for(failure: Failure, reader: Owner | None, language: str = "en") -> Failure:
    """The failure as `reader` may see it; `None` is a request without an owner. language: of the plain
    text."""
    if failure.code in PUBLIC or (reader is not None and reader.operates):
        return failure
    table = locale(language)
    code = failure.code if f"error.{failure.code}" in table else "backend_error"
    params = {name: value for name, value in failure.params.items() if _harmless(name, value)}
    timed = "retry_after" in params and f"error.{code}.cure_after" in table
    return replace(
        failure,
        code=code,
        message=_filled(table[f"error.{code}"], params),
        cure=_filled(table[f"error.{code}.{'cure_after' if timed else 'cure'}"], params),
        params=params,
    )


def audience(failure: Failure, reader: Owner | None) -> Literal["operator"] | None:
    """`operator` if `failure_for` leaves in what only operators may read."""
    return "operator" if failure.code not in PUBLIC and reader is not None and reader.operates else None


def failure_answer(status: int, failure: Failure, reader: Owner | None) -> Response:
    """The response to a request that ended in the failure."""
    shown = failure_for(failure, reader)
    return error_answer(
        status, shown.code, shown.message, shown.cure, shown.params, audience=audience(failure, reader)
    )


def _harmless(name: str, value: object) -> bool:
    """Numbers, and the ID of an error in the log; names and words may come from a server."""
    return isinstance(value, (int, float)) or (name == "id" and _ID.fullmatch(str(value)) is not None)


def _filled(sentence: str, params: dict[str, str | int | float]) -> str:
    """Without what may not be told."""
    shown: defaultdict[str, str | int | float] = defaultdict(str, params)
    if isinstance(after := params.get("retry_after"), float):
        shown["retry_after"] = ceil(after)
    return filled(sentence, shown)
