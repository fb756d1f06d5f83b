"""Responses of the door itself: errors as JSON, and the gate page."""

from __future__ import annotations

import json
import logging
import secrets
import traceback
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from math import ceil
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field
from starlette.responses import Response

from backends.errors import Params
from webchat.auth.owners import Refusal
from webchat.auth.settings import Ways
from webchat.auth.sign_in_errors import ProviderUnreachable, SignInFailed, SignInInvalid, SignInNotAllowed
from webchat.store.records import Owner

log = logging.getLogger(__name__)

_PLACES = 8


Audience = Literal["operator"]


class Error(BaseModel):
    """The page translates by `code` and `params`; `message` and `cure` are English. audience: set if they
    contain what only operators may read."""

    code: str
    message: str
    cure: str
    params: dict[str, str | int | float]
    audience: Audience | None = Field(default=None, exclude_if=lambda value: value is None)


class ErrorAnswer(BaseModel):
    """The format of every error."""

    error: Error


def error_body(
    code: str, message: str, cure: str = "", params: Params | None = None, audience: Audience | None = None
) -> bytes:
    error = Error(code=code, message=message, cure=cure, params=dict(params or {}), audience=audience)
    return ErrorAnswer(error=error).model_dump_json().encode()


def error_answer(
    status: int,
    code: str,
    message: str,
    cure: str = "",
    params: Params | None = None,
    headers: Mapping[str, str] | None = None,
    audience: Audience | None = None,
) -> Response:
    return Response(
        error_body(code, message, cure, params, audience),
        status,
        {"cache-control": "no-store", **_after(params), **(headers or {})},
        media_type="application/json",
    )


def _after(params: Params | None) -> dict[str, str]:
    """When to try again, for programs that wait by themselves."""
    seconds = (params or {}).get("retry_after")
    return {"retry-after": str(ceil(seconds))} if isinstance(seconds, int | float) else {}


def unknown_error_answer(error: Exception) -> Response:
    """For an unexpected error: it is logged in one line under an ID, and only the ID is shown."""
    ticket = secrets.token_hex(4)
    log.error("request failed (ID %s): %s", ticket, in_one_line(error))
    return error_answer(
        500,
        "internal",
        f"Something went wrong on the server. Its ID in the server's log is {ticket}.",
        "Try again; if it keeps happening, give the administrator this ID.",
        {"id": ticket},
    )


def in_one_line(error: BaseException) -> str:
    """The exception and where it was raised, innermost frame first: with a full traceback per request, one
    failing request could fill the disk."""
    frames = reversed(traceback.extract_tb(error.__traceback__)[-_PLACES:])
    places = " < ".join(f"{'/'.join(Path(at.filename).parts[-2:])}:{at.lineno}" for at in frames)
    said = " ".join(repr(error).split())
    return f"{said:.200} at {places or 'no place'}"


_NO_OWNER: Mapping[Refusal, tuple[str, str, str]] = {
    "no_cookie": (
        "no_cookie",
        "The browser sent no cookie, so the server can't recognize you or keep your chats.",
        "Allow cookies for this page, then reload it.",
    ),
    "link_revoked": ("link_revoked", "This link was revoked.", "Ask for a new one."),
    "link_expired": ("link_expired", "This link has expired.", "Ask for a new one."),
    "link_paused": (
        "link_paused",
        "This link is paused.",
        "Try again later, or ask the person who gave it to you.",
    ),
    "signed_out": ("signed_out", "You are signed out.", "Sign in again."),
    "disabled": ("person_disabled", "This account is disabled.", "Contact the administrator."),
    "key_needed": ("key_needed", "An API key is needed.", "Send it as Authorization: Bearer wk_…"),
    "key_unknown": ("key_unknown", "The API key is not valid.", "Check the key, or create a new one."),
    "key_revoked": ("key_revoked", "This API key was revoked.", "Create a new one."),
    "key_expired": ("key_expired", "This API key has expired.", "Create a new one."),
    "two_owners": (
        "two_owners",
        "Another page tried to sign you in as someone else and was blocked.",
        "Reload the page. If this keeps happening, delete this site's cookies and open your link again.",
    ),
}


FAILED: Mapping[str, type[SignInFailed]] = {
    "not_allowed": SignInNotAllowed,
    "sign_in_invalid": SignInInvalid,
    "sign_in_unreachable": ProviderUnreachable,
}
"""Why somebody whom the proxy names is not let in."""

_NEEDS_LINK = ("no_owner", "This chat needs a link.", "Open the link you were given, or ask for a new one.")
_NEEDS_SIGN_IN = ("no_owner", "Sign in to use this chat.", "Sign in, or open the link you were given.")


def no_owner(refusal: Refusal = "", ways: Ways | None = None) -> Response:
    """For someone who is not let in, with the reason if their link or their session has ended."""
    if failure := FAILED.get(refusal):
        return error_answer(failure.status, failure.code, failure.message, failure.cure)
    unknown = _NEEDS_SIGN_IN if ways is not None and ways.people else _NEEDS_LINK
    headers = {"www-authenticate": "Bearer"} if refusal.startswith("key_") else None
    return error_answer(401, *_NO_OWNER.get(refusal, unknown), headers=headers)


def too_large(most: int) -> Response:
    return error_answer(
        413,
        "too_large",
        f"The request is larger than {most} bytes and was rejected.",
        "Send it in smaller parts.",
        {"limit": most},
        {"connection": "close"},
    )


class Gate:
    """The page for visitors without an owner: redeems the link it was opened with, or one that is pasted."""

    def __init__(self) -> None:
        self._page = files("webchat.auth").joinpath("gate.html").read_text(encoding="utf-8")
        self.policy: tuple[str, ...] = (
            "default-src 'none'",
            f"script-src {_hash_of(self._page, 'script')}",
            f"style-src {_hash_of(self._page, 'style')}",
            "img-src data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
        )
        """Its own content security policy, tighter than the app's."""

    def answer(
        self, status: int, ways: Ways, refusal: Refusal = "", people: Sequence[Owner] = (), home: str = "./"
    ) -> Response:
        """The page, which explains why someone who had access no longer does. ways: how people come in.
        people: the sign-ins this browser may continue with. home: the path from the page's own address to the
        chat."""
        known = [owner_fields(owner) for owner in people]
        shown = {
            "link": ways.link,
            "anyone": ways.anyone,
            "password": ways.password,
            "proxy": ways.proxy,
            "providers": dict(ways.providers),
        }
        data = (
            f'data-reason="{refusal}" data-home="{home}" data-people="{escape(json.dumps(known))}"'
            f' data-ways="{escape(json.dumps(shown))}"'
        )
        page = self._page.replace("data-at-the-gate", data, 1)
        return Response(page, status, {"cache-control": "no-store"}, media_type="text/html")


def owner_fields(owner: Owner) -> dict[str, str]:
    """An owner in a form people recognize."""
    return {
        "id": owner.id,
        "kind": owner.kind,
        "name": owner.name,
        "since": owner.created_at.isoformat(timespec="seconds"),
    }


def _hash_of(page: str, tag: str) -> str:
    """The CSP source that allows the page's one inline `tag` and no other."""
    text = page.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
