"""One message in the log for each reply that has ended."""

from __future__ import annotations

import logging

from webchat.turns.measured import Measured

log = logging.getLogger(__name__)


def log_turn(one: Measured) -> None:
    """Log it in numbers."""
    fields = {
        "turn": one.id,
        "model": one.model,
        "backend": one.backend,
        "state": one.state,
        "code": one.code or None,
        "seconds": round(one.seconds, 3),
        "first_token_seconds": None if one.first_token is None else round(one.first_token, 3),
        "parts": {part.name: round(part.seconds, 3) for part in one.parts},
        "input_tokens": one.input_tokens,
        "output_tokens": one.output_tokens,
    }
    log.info("reply %s", one.state, extra={"fields": fields})
