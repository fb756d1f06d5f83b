"""What an OpenAI-compatible endpoint says when it refuses, as our errors."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from backends._limits import HEADER_CHARS, NAME_CHARS, SAID_CHARS
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
from backends.openai_compat.loading import loading
from backends.redaction import redacted

_LONGEST = 300

_CONTEXT = re.compile(
    r"context.{0,20}(length|window|size|limit)|maximum context|exceed\w{0,8} .{0,30}context"
    r"|too many (input )?tokens"
    r"|(prompt|input|request|conversation) .{0,20}too (long|large)|n_ctx|reduce the length|max_model_len"
    r"|maximum (input|number of tokens|model length)|inputs?`? tokens?.{0,40}must be",
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
_SYSTEM = re.compile(r"system (role|message|prompt|instruction)s?\b", re.I)
_REFUSED = re.compile(
    r"unsupported|not supported|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed"
    r"|does(n't| not) support"
    r"|extra (inputs?|fields?|forbidden)|extra_forbidden|not implemented|incompatible",
    re.I,
)


def from_status(
    status: int, headers: Mapping[str, str], body: bytes, *, key: str | None, place: str
) -> BackendError:
    """The error that an answer other than 200 means. `place` is the host, for people."""
    if (still := loading(status, body, place)) is not None:
        return still
    parsed = _json(body)
    said = _said(parsed) if parsed is not None else _plain(body)
    return _from_words(status, headers, said, parsed, key=key, place=place)


def _from_words(
    status: int, headers: Mapping[str, str], said: str, parsed: Any, *, key: str | None, place: str
) -> BackendError:
    detail = shown(said, key)
    retry_after = seconds_of(headers.get("retry-after"))
    if status in (429, 503) and (status == 429 or retry_after is not None):
        return _limited(place, retry_after, detail)
    if 300 <= status < 400:
        return BadResponse(
            f"{place} sends its visitors elsewhere, and the key is not taken there.",
            cure="Give the address that it points to as the endpoint, if you trust it.",
        )
    if status in (401, 403, 407):
        return AuthFailed(
            _with(f"{place} refused the key", detail), cure="Check the API key of this endpoint."
        )
    if (error := _by_words(said, detail, parsed, place)) is not None:
        return error
    if status in (404, 405):
        return BadRequest(
            _with(f"{place} has no chat completions at this address", detail),
            cure="Check the endpoint's address; most end in /v1.",
        )
    if status in (408, 504, 524):
        return Timeout(_with(f"{place} took too long", detail), cure="Try again.")
    if 400 <= status < 500:
        return BadRequest(_with(f"{place} does not accept this request", detail), cure="Check the settings.")
    if status >= 500:
        return Unavailable(_with(f"{place} has a problem ({status})", detail), cure="Try again in a moment.")
    return BadResponse(f"{place} answered with the status {status}.", cure="Check the endpoint's address.")


def error_in(chunk: dict[str, Any], *, key: str | None) -> BackendError | None:
    """The error that an object inside a 200 means, `None` when it is none."""
    is_error = bool(chunk.get("error")) or chunk.get("object") == "error"
    if not is_error and ("choices" in chunk or not ({"detail", "message"} & chunk.keys())):
        return None
    said = _said(chunk)
    error = chunk.get("error")
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
    if status is not None:
        return _from_words(status, {}, said, chunk, key=key, place="The endpoint")
    detail = shown(said, key)
    return _by_words(said, detail, chunk, "The endpoint") or BadResponse(
        _with("The endpoint failed in the middle of its reply", detail), cure="Try again."
    )


def _by_words(said: str, detail: str, parsed: Any, place: str) -> BackendError | None:
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
            _with("The conversation is longer than this model can read", detail),
            cure="Shorten it, or start a new conversation.",
            params=params,
        )
    if _MEMORY.search(words):
        return OutOfMemory(_with(f"{place} has not enough memory", detail), cure="Try a smaller model.")
    if "model_not_found" in words or _NO_MODEL.search(words):
        return ModelNotFound(_with(f"{place} has no such model", detail), cure="Choose one that it lists.")
    if _NOT_CHAT.search(words):
        return ModelUnsupported(
            _with("This model cannot chat", detail), cure="Choose one that was trained for conversations."
        )
    return None


def _limited(place: str, retry_after: float | None, detail: str) -> RateLimited:
    cure = "Try again in a moment."
    if retry_after is not None:
        cure = f"Try again in {retry_after:.0f} seconds."
    return RateLimited(_with(f"{place} is limiting requests", detail), cure=cure, retry_after=retry_after)


def refused_field(status: int, body: bytes, sent: Collection[str]) -> str | None:
    """Which of the fields we sent this refusal names as unsupported; `system` stands for the system role.

    A value out of range is no such refusal: the person should hear about it.
    """
    if status not in (400, 422, 500, 501):
        return None
    parsed = _json(body)
    if parsed is None:
        return None
    said = _said(parsed)[:SAID_CHARS]
    whole = said
    if isinstance(parsed, dict) and "detail" in parsed:
        whole = f"{said} {json.dumps(parsed)[:SAID_CHARS]}"
    error = parsed.get("error") if isinstance(parsed, dict) else None
    error = error if isinstance(error, dict) else {}
    code = str(error.get("code") or "")[:NAME_CHARS]
    if not _REFUSED.search(f"{whole} {code.replace('_', ' ')}"):
        return None
    if "system" in sent and _SYSTEM.search(said):
        return "system"
    if status == 500:
        return None
    param = str(error.get("param") or "").split(".")[0]
    if param in sent:
        return param
    named = [field for field in sent if field != "system" and re.search(rf"\b{field}\b", whole)]
    return max(named, key=len, default=None)


def seconds_of(retry_after: str | None, now: datetime | None = None) -> float | None:
    """The seconds of a `Retry-After` header, a number or a date; `None` when it says nothing."""
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
    """A server's words made fit for a person's eyes: no markup, no key, one line, not long."""
    # In all of it, or half of a key would be left where it is cut.
    said = redacted(said, [key] if key else [])[:SAID_CHARS]
    said = re.sub(r"<[^>]*>?", " ", said)
    said = "".join(character if character.isprintable() else " " for character in said)
    said = " ".join(said.split())
    return said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "…"


def _with(sentence: str, detail: str) -> str:
    """The sentence with the server's own words behind it; nothing of a sentence is doubled."""
    if not detail:
        return f"{sentence}."
    return (
        f"{sentence}: {detail}" if detail.endswith((".", "!", "?", "…", "。")) else f"{sentence}: {detail}."
    )


def _json(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _said(parsed: Any) -> str:
    """The message in an error body: OpenAI's, FastAPI's, TGI's and plain ones."""
    match parsed:
        case {"error": {"message": str(message)}} | {"error": str(message)} | {"message": str(message)}:
            return message
        case {"error": {"metadata": {"raw": str(message)}}} | {"detail": str(message)} | str(message):
            return message
        case {"detail": [{"msg": str(message), "loc": list(where)}, *_]}:
            return f"{'.'.join(str(step) for step in where)}: {message}"
        case [dict(first), *_]:  # Gemini wraps its error in a list
            return _said(first)
        case _:
            return ""


def _plain(body: bytes) -> str:
    """A body that is no JSON: its words, unless it is a web page, of which nothing helps."""
    text = body.decode("utf-8", "replace").strip()
    return "" if text.startswith("<") else text
