"""Turns what an OpenAI-compatible endpoint says when it rejects a request into our errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from backends._plurals import counted
from backends.errors import (
    AuthFailed,
    BackendError,
    BadRequest,
    BadResponse,
    ContextTooLong,
    ModelNotFound,
    ModelUnsupported,
    OutOfMemory,
    RateLimited,
    Timeout,
    Unavailable,
)
from backends.openai_compat.limits import HEADER_CHARS, NAME_CHARS, SAID_CHARS
from backends.openai_compat.refusals.loading import loading
from backends.openai_compat.refusals.refusal import Refusal, message_in, read_refusal
from backends.redaction import redacted

_LONGEST = 300

_CONTEXT = re.compile(
    r"context.{0,20}(length|window|size|limit)|maximum context|exceed\w{0,8} .{0,30}context"
    r"|too many (input )?tokens"
    r"|(prompt|input|request|conversation) .{0,20}too (long|large)|n_ctx|reduce the length|max_model_len"
    r"|maximum (input|number of tokens|model length)|inputs?`? tokens?.{0,40}must be"
    r"|上下文.{0,10}(长度|超)|超(过|出).{0,12}(长度|上下文)|(输入|提示词?).{0,8}(过长|太长|超长)",
    re.I,
)
_MEMORY = re.compile(
    r"out of memory|requires more (system )?memory|insufficient memory|failed to allocate", re.I
)
_NO_MODEL = re.compile(
    r"model.{0,80}(not found|does not exist|not exist|is not (loaded|available)|no such)"
    r"|(no such|unknown|invalid) model",
    re.I,
)
_NOT_CHAT = re.compile(r"chat.?template|not a chat model|does not support chat", re.I)


def from_status(
    status: int, headers: Mapping[str, str], body: bytes, *, key: str | None, place: str
) -> BackendError:
    """The error for an answer other than 200; its cause is the `Refusal`. `place` is the host, for
    messages."""
    if (still := loading(status, body, place)) is not None:
        return still
    refusal = read_refusal(status, body)
    return _caused(_meaning(status, headers, refusal, key=key, place=place), refusal)


def _caused(error: BackendError, refusal: Refusal) -> BackendError:
    error.__cause__ = refusal
    return error


def _meaning(
    status: int, headers: Mapping[str, str], refusal: Refusal, *, key: str | None, place: str
) -> BackendError:
    said, parsed = refusal.said, refusal.parsed
    detail = shown(said, key)
    retry_after = seconds_of(headers.get("retry-after"))
    if status in (429, 503) and (status == 429 or retry_after is not None):
        return _limited(place, retry_after, detail)
    if 300 <= status < 400:
        return BadResponse(
            f"{place} redirects to another address, and the key is not sent there.",
            cure="If you trust that address, set it as the endpoint.",
        )
    if status in (401, 403, 407):
        return AuthFailed(
            _with(f"{place} rejected the API key", detail), cure="Check the API key of this endpoint."
        )
    if (error := _by_words(said, detail, parsed, place)) is not None:
        return error
    if status in (404, 405):
        return BadRequest(
            _with(f"{place} does not serve chat completions at this address", detail),
            cure="Check the endpoint's address; most end in /v1.",
        )
    if status in (408, 504, 524):
        return Timeout(_with(f"{place} took too long", detail), cure="Try again.")
    if 400 <= status < 500:
        return BadRequest(_with(f"{place} rejected this request", detail), cure="Check the settings.")
    if status >= 500:
        return Unavailable(_with(f"{place} has a problem ({status})", detail), cure="Try again in a moment.")
    return BadResponse(f"{place} answered with status {status}.", cure="Check the endpoint's address.")


def error_in(chunk: dict[str, Any], *, key: str | None) -> BackendError | None:
    """The error in an object inside a 200; `None` if it is not an error."""
    error = chunk.get("error")
    told = any(error.values()) if isinstance(error, dict) else bool(error)
    says = any(isinstance(chunk.get(name), str | list) for name in ("detail", "message"))
    if not (told or chunk.get("object") == "error") and ("choices" in chunk or not says):
        return None
    inner = error if isinstance(error, dict) else chunk
    codes = [inner.get("code"), inner.get("type"), inner.get("status")]
    status = next((code for code in codes if isinstance(code, int) and 300 <= code < 600), None)
    if status is None:
        words = " ".join(str(code)[:NAME_CHARS] for code in codes).lower()
        kinds = {
            "rate": 429,
            "auth": 401,
            "api_key": 401,
            "overloaded": 503,
            "invalid": 400,
            "badrequest": 400,
        }
        status = next((number for word, number in kinds.items() if word in words), None)
    refusal = Refusal(status, message_in(chunk), chunk)
    if status is not None:
        return _caused(_meaning(status, {}, refusal, key=key, place="The endpoint"), refusal)
    return failed(refusal, "The endpoint failed during the reply", "Try again.", key=key)


def failed(refusal: Refusal, sentence: str, cure: str, *, key: str | None) -> BackendError:
    """The error for a message without a status: the given sentence with that message, unless it is
    recognized."""
    detail = shown(refusal.said, key)
    meaning = _by_words(refusal.said, detail, refusal.parsed, "The endpoint")
    return _caused(meaning or BadResponse(_with(sentence, detail), cure=cure), refusal)


def _by_words(said: str, detail: str, parsed: object, place: str) -> BackendError | None:
    error = parsed.get("error") if isinstance(parsed, dict) else None
    error = error if isinstance(error, dict) else {}
    named = " ".join(str(error.get(name) or "")[:NAME_CHARS] for name in ("code", "type"))
    words = f"{named} {said[:SAID_CHARS]}"
    if _CONTEXT.search(words):
        params = {
            ours: value
            for ours, theirs in (("tokens", "n_prompt_tokens"), ("limit", "n_ctx"))
            if isinstance(value := error.get(theirs), int) and 0 <= value < 2**31
        }
        return ContextTooLong(
            _with("The conversation is too long for this model", detail),
            cure="Shorten it, or start a new conversation.",
            params=params,
        )
    if _MEMORY.search(words):
        return OutOfMemory(_with(f"{place} does not have enough memory", detail), cure="Try a smaller model.")
    if "model_not_found" in words or _NO_MODEL.search(words):
        return ModelNotFound(
            _with(f"{place} does not have this model", detail), cure="Choose one that it lists."
        )
    if _NOT_CHAT.search(words):
        return ModelUnsupported(
            _with("This model does not support chat", detail), cure="Choose one trained for chat."
        )
    return None


def _limited(place: str, retry_after: float | None, detail: str) -> RateLimited:
    cure = "Try again in a moment."
    if retry_after is not None:
        cure = f"Try again in {counted(round(retry_after), 'second')}."
    return RateLimited(_with(f"{place} is limiting requests", detail), cure=cure, retry_after=retry_after)


def seconds_of(retry_after: str | None, now: datetime | None = None) -> float | None:
    """The seconds in a `Retry-After` header, a number or a date; `None` if it has neither."""
    if not retry_after:
        return None
    try:
        seconds = float(retry_after := retry_after[:HEADER_CHARS])
    except ValueError:
        try:
            date = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (date - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), 86_400.0) if seconds == seconds else None


def shown(said: str, key: str | None) -> str:
    """A server's message made fit to show: no markup, no key, one line, not long."""
    # In all of it, or half of a key would be left where it is cut.
    said = redacted(said, [key] if key else [])[:SAID_CHARS]
    said = re.sub(r"<[^>]*>?", " ", said)
    said = "".join(character if character.isprintable() else " " for character in said)
    said = " ".join(said.split())
    return said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "…"


def _with(sentence: str, detail: str) -> str:
    """The sentence followed by the server's own words, without repeating any of it."""
    if not detail:
        return f"{sentence}."
    return (
        f"{sentence}: {detail}" if detail.endswith((".", "!", "?", "…", "。")) else f"{sentence}: {detail}."
    )
