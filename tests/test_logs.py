"""No log holds a secret, whoever wrote it and in whatever spelling, at any level."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from backends.base import collect
from backends.errors import BackendError
from backends.openai_compat import OpenAICompatBackend
from backends.options import EndpointOptions
from backends.types import Message, Request
from tests.backends.hostile_server import HostileServer, status
from webchat.logs import AsJson, Redacting, secrets_of
from webchat.settings import Settings
from webchat.settings.model import ModelSettings
from webchat.turns.measured import current_turn

KEY = "canary/key=0b1d+44"
PASSWORD = "can@ry/word#7"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that all libraries write, as the server writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Redacting([KEY, PASSWORD]))
    root = logging.getLogger()
    level, names = root.level, ("aiohttp", "httpx", "httpcore", "asyncio")
    before = {name: logging.getLogger(name).level for name in names}
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)
    for name, old in before.items():
        logging.getLogger(name).setLevel(old)


async def test_a_server_that_repeats_the_key_brings_it_into_no_log_and_no_error(log: io.StringIO) -> None:
    said = json.dumps({"error": {"message": f"No such key: {json.dumps(KEY)} {KEY}"}}).encode()
    answer = status(401, said, headers=[f"X-Key: {KEY}", f"Set-Cookie: key={KEY}"])
    async with HostileServer(answer) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url, "m", api_key=KEY))
        with pytest.raises(BackendError) as caught:
            await collect(backend.stream(Request((Message("user", "Hello"),))))
        await backend.aclose()
    assert "canary" not in f"{caught.value} {dict(caught.value.params)}"
    assert log.getvalue(), "the libraries wrote nothing"
    assert "canary" not in log.getvalue()


def test_traces_and_values_are_looked_at_too(log: io.StringIO) -> None:
    try:
        raise ValueError(f"postgresql://me:{PASSWORD}@db/chat")
    except ValueError:
        logging.getLogger("somebody").exception("headers: %r", {"Authorization": f"Bearer {KEY}"})
    assert "Traceback" in log.getvalue()
    assert "canary" not in log.getvalue()
    assert "can@ry" not in log.getvalue()
    assert "ry/word" not in log.getvalue()


def test_every_secret_of_the_settings_is_known(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        api_key=SecretStr("the-first-key"),
        cookie_secret=SecretStr("c" * 40),
        database_url=SecretStr(f"postgresql://me:{PASSWORD}@db/chat"),
        hf_token=SecretStr("hf-token"),
        models=(ModelSettings(name="a", endpoint="http://h/v1", api_key=SecretStr("its-own-key")),),
    )
    found = set(secrets_of(settings, {"GUARD_KEY": "of-the-guard", "HOME": "/root", "X_TOKENS": "two"}))
    assert found >= {"the-first-key", "c" * 40, PASSWORD, "hf-token", "its-own-key", "of-the-guard", "two"}
    assert "/root" not in found


def test_a_line_of_json_names_the_reply_and_holds_no_secret() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(AsJson([KEY]))
    log = logging.Logger("webchat.test")
    log.addHandler(handler)
    log.info("nothing yet")
    token = current_turn.set("reply-1")
    try:
        raise ValueError(f"in {KEY}")
    except ValueError:
        log.exception("with %s\n and a line", KEY, extra={"fields": {"state": "failed"}})
    finally:
        current_turn.reset(token)
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert "turn" not in first
    assert second["turn"] == "reply-1"
    assert second["state"] == "failed"
    assert second["level"] == "error"
    assert "ValueError" in second["exception"]
    assert KEY not in stream.getvalue()
