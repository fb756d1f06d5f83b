"""Logging: configured once, with secrets removed whatever code logged them."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, SecretStr

from backends.redaction import redacted
from webchat.database_url import passwords_in
from webchat.settings import Settings
from webchat.turns.measured import current_turn

_FORM = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)S?$")
TALKATIVE = ("alembic", "httpx", "mcp")
"""At level `info` they tell of each step."""

TELLING = ("sse_starlette",)
"""They log what is sent to people."""


class Redacting(logging.Formatter):
    """Removes secrets from a log line and its traceback."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__(_FORM)
        self._secrets = frozenset(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record), self._secrets)


class AsJson(Redacting):
    """An object per line. turn: the reply that the message is about, if any."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(record.getMessage(), self._secrets),
        }
        if turn := current_turn.get():
            said["turn"] = turn
        if record.exc_info:
            said["exception"] = redacted(self.formatException(record.exc_info), self._secrets)
        said |= getattr(record, "fields", {})
        return json.dumps(said, ensure_ascii=False, default=str)


def set_up(settings: Settings) -> None:
    """Log to standard error; the talkative libraries only warnings and errors, except at level `debug`."""
    handler = logging.StreamHandler()
    form = AsJson if settings.log_format == "json" else Redacting
    handler.setFormatter(form(secrets_of(settings, os.environ)))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    for telling in TELLING:
        logging.getLogger(telling).setLevel(logging.WARNING)
    if settings.log_level != "debug":
        for talkative in TALKATIVE:
            logging.getLogger(talkative).setLevel(logging.WARNING)


def secrets_of(settings: Settings, environment: Mapping[str, str]) -> Iterator[str]:
    """Everything a log must not contain: secret settings, and variables whose names mark them as secret,
    which rules and other packages read."""
    for model in (settings, *settings.models):
        yield from _secrets(model)
    yield from passwords_in(settings.store_url)
    for name, value in environment.items():
        if _SECRET_NAME.search(name):
            yield value


def _secrets(model: BaseModel) -> Iterator[str]:
    for name in type(model).model_fields:
        if isinstance(value := getattr(model, name), SecretStr):
            yield value.get_secret_value()
