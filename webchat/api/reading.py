"""What a request says, checked before anything is done with it."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from webchat.api.errors import ApiError, not_found
from webchat.prompts.templates import MOST_VARIABLES, VALUE_CHARS, SamplingContent, Strict
from webchat.store.records import ConversationSettings, Owner

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PLACE = re.compile(r"([A-Za-z0-9_-]{1,64}):([0-9]{1,10})")
_CURSOR_CHARS = 1000
_QUERY_CHARS = 500

MODEL_CHARS = 400
"""Of a model's name, or its key: its id and some more."""


Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Body(Strict):
    """A request body."""


class TemplateUseBody(Body):
    """values: scalars, as the variables take them."""

    id: Id
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    name: Annotated[str, Field(max_length=300)] = ""
    values: Annotated[
        dict[str, bool | int | float | Annotated[str, Field(max_length=VALUE_CHARS)] | None],
        Field(max_length=MOST_VARIABLES),
    ] = Field(default_factory=dict)


class SettingsBody(Body):
    model: Annotated[str, Field(max_length=MODEL_CHARS)] | None = None
    system_prompt: Annotated[str, Field(max_length=100_000)] | None = None
    sampling: SamplingContent = SamplingContent()
    persona: TemplateUseBody | None = None

    def record(self) -> ConversationSettings:
        """Without the persona: whether it made the system prompt is not known yet, see `personas`."""
        return ConversationSettings(self.model, self.system_prompt, self.sampling.record())


class TurnBody(Body):
    """owner: on whose behalf the page sends; refused for anybody else, who has come by another link since."""

    owner: Id | None = None
    kind: Literal["send", "regenerate", "edit", "continue"]
    client_key: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,64}$")]
    conversation_id: Id | None = None
    parent_id: Id | None = None
    message_id: Id | None = None
    text: str | None = None
    model: Annotated[str, Field(max_length=MODEL_CHARS)] | None = None
    settings: SettingsBody | None = None
    template: TemplateUseBody | None = None


class ConversationBody(Body):
    title: Annotated[str, Field(max_length=300)] | None = None
    pinned: bool | None = None
    archived: bool | None = None
    settings: SettingsBody | None = None


class EditBody(Body):
    text: str


class RatingBody(Body):
    value: Annotated[int, Field(ge=-1, le=1)]


class TakeOverBody(Body):
    giver: Id


class RetryBody(Body):
    name: Annotated[str, Field(max_length=MODEL_CHARS)] | None = None


class RedeemBody(Body):
    token: Annotated[str, Field(max_length=200)]
    confirmed: bool = False


class SwitchBody(Body):
    id: Annotated[str, Field(max_length=64)]


B = TypeVar("B", bound=Body)


async def body_of(request: Request, kind: type[B]) -> B:
    """The request's JSON body. Only `application/json` is read: a form on a foreign page cannot send that
    unasked. Raises `ApiError`, `pydantic.ValidationError`."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiError(415, "not_json", "The request's body is not JSON.")
    return kind.model_validate_json(await request.body())


def owner_of(request: Request) -> Owner:
    """Whom the door let in. A route that is reached without it answers nobody."""
    owner = getattr(request.state, "owner", None)
    if not isinstance(owner, Owner):
        raise ApiError(401, "no_owner", "This chat opens with a link.", "Open the link you were given.")
    return owner


def operator_of(request: Request) -> Owner:
    """The same, where it is the operator's alone: anybody else cannot tell it from nothing."""
    owner = owner_of(request)
    if not owner.operates:
        raise not_found()
    return owner


def id_of(request: Request) -> str:
    """The id in the path. A text that cannot be an id is an address with nothing behind it."""
    found: str = request.path_params["id"]
    if not _ID.fullmatch(found):
        raise not_found()
    return found


def query_id(request: Request, name: str) -> str | None:
    found = request.query_params.get(name) or None
    if found is not None and not _ID.fullmatch(found):
        raise _bad_query(name)
    return found


def query_cursor(request: Request) -> str | None:
    """Where a listing goes on. The store reads it, and raises `BadCursor`."""
    found = request.query_params.get("cursor") or None
    if found is not None and len(found) > _CURSOR_CHARS:
        raise _bad_query("cursor")
    return found


def query_int(request: Request, name: str, default: int, least: int, most: int) -> int:
    found = request.query_params.get(name)
    if found is None or found == "":
        return default
    if not (found.isascii() and found.isdigit() and len(found) <= 18) or not least <= int(found) <= most:
        raise _bad_query(name)
    return int(found)


def query_text(request: Request, name: str) -> str:
    found = request.query_params.get(name, "")
    if len(found) > _QUERY_CHARS:
        raise _bad_query(name)
    return found


def query_places(request: Request, name: str, most: int, most_number: int) -> dict[str, int]:
    """Every `<id>:<number>` of that name; of an id that is named twice, the lesser number."""
    found: dict[str, int] = {}
    values = request.query_params.getlist(name)
    if len(values) > most:
        raise _bad_query(name)
    for value in values:
        place = _PLACE.fullmatch(value)
        if place is None or int(place[2]) > most_number:
            raise _bad_query(name)
        found[place[1]] = min(int(place[2]), found.get(place[1], most_number))
    return found


def query_choice(request: Request, name: str, *choices: str) -> str:
    """One of `choices`; the first when the request does not say."""
    found = request.query_params.get(name, choices[0])
    if found not in choices:
        raise _bad_query(name)
    return found


def language_of(request: Request) -> str:
    """`en` or `zh-CN`: the one asked for, else what the browser prefers."""
    asked = request.query_params.get("language") or request.headers.get("accept-language", "")
    return "zh-CN" if asked.strip().lower().startswith("zh") else "en"


def _bad_query(name: str) -> ApiError:
    return ApiError(
        400, "bad_request", f"The request is not valid: {name}.", "Reload the page.", {"field": name}
    )


def json_answer(value: Any, status: int = 200) -> Response:
    """A JSON answer that no cache keeps. A half of a surrogate pair, which UTF-8 has no bytes for, becomes
    `?`."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(
        text.encode("utf-8", "replace"),
        status,
        {"cache-control": "no-store"},
        media_type="application/json",
    )
