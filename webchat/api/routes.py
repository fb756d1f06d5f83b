"""Every route of the HTTP API in one table, each with its limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, compile_path

from webchat.api.about import About
from webchat.api.conversations import Conversations
from webchat.api.endpoint import Method, endpoint
from webchat.api.errors import answering, not_found
from webchat.api.exporting.exports import Exports
from webchat.api.health import Health
from webchat.api.imports import ImportRoutes
from webchat.api.inspect import Inspect
from webchat.api.judgements.comparisons import Comparisons
from webchat.api.judgements.judgements import Judgements
from webchat.api.judgements.queues import Queues
from webchat.api.media import TESTERS_MEDIA, MediaRoutes
from webchat.api.messages import Messages
from webchat.api.metrics import MetricRoutes
from webchat.api.moderation import ModerationRoutes
from webchat.api.people.guests import Guests
from webchat.api.people.keys import KeyRoutes
from webchat.api.people.links import Links
from webchat.api.people.people import People
from webchat.api.people.providers import ProviderRoutes
from webchat.api.people.redeem import Redeem
from webchat.api.replays import Replays
from webchat.api.services import Services
from webchat.api.sharing.share_pages import SharePages
from webchat.api.sharing.shares import ShareRoutes
from webchat.api.templates.model_templates import ChatTemplates
from webchat.api.templates.prompt_templates import Templates
from webchat.api.trash import Trash
from webchat.api.turns import TurnRoutes
from webchat.api.v1.routes import TAKING, v1_routes
from webchat.api.wire.base import Answer
from webchat.api.wire.messages import Archive
from webchat.api.wire.people import Health as HealthState
from webchat.api.wire.turns import BegunTurn, Events
from webchat.api.work import LEAVING, Work, in_its_place, places
from webchat.auth import SMALL_BODY
from webchat.slots import Slots
from webchat.store.key_records import KeyScope

MCP = "/mcp"
"""Where `webchat.mcp` answers."""

LONG = None
"""The body limit of routes that take long texts: the limit in the settings."""


@dataclass(frozen=True, slots=True)
class Row:
    """A route. endpoint: a method of the class it is listed under; its signature declares its input and
    answer. body: maximum bytes of a request's body. work: its kind of work; `None` is never queued. status:
    of its answer. answers, media: of an endpoint that builds the answer itself. key: the scope that an API
    key needs for it; `None` is not open to keys, which is the rule for whatever manages people, sessions,
    passwords, links, moderation or keys."""

    method: str
    path: str
    endpoint: Method
    body: int | None = SMALL_BODY
    work: Work | None = "short"
    status: int = 200
    answers: type[Answer] | None = None
    media: str | None = "application/json"
    key: KeyScope | None = None


TABLE: tuple[tuple[Callable[[Services], object], tuple[Row, ...]], ...] = (
    (
        About,
        (
            Row("GET", "/api/me", About.me, key="read"),
            Row("GET", "/api/models", About.models, work=None, key="read"),
            Row("POST", "/api/models/retry", About.retry, work=None),
            Row("GET", "/api/openapi.json", About.openapi, key="read"),
        ),
    ),
    (
        People,
        (
            Row("POST", "/sign-in/password", People.sign_in, work=None, status=204),
            Row("POST", "/api/sign-out", People.sign_out, status=204),
            Row("PATCH", "/api/me", People.rename),
            Row("PUT", "/api/me/password", People.change_password, status=204),
            Row("PUT", "/api/me/training", People.allow_training, status=204),
            Row("GET", "/api/me/sessions", People.sessions),
            Row("DELETE", "/api/me/sessions", People.end_others, status=204),
            Row("DELETE", "/api/me/sessions/{id}", People.end_session, status=204),
        ),
    ),
    (
        KeyRoutes,
        (
            Row("GET", "/api/me/keys", KeyRoutes.list),
            Row("POST", "/api/me/keys", KeyRoutes.create, body=LONG, work="save", status=201),
            Row("DELETE", "/api/me/keys/{id}", KeyRoutes.revoke, status=204),
        ),
    ),
    (
        ProviderRoutes,
        (
            Row("GET", "/sign-in/start/{key}", ProviderRoutes.start, work=None, status=303, media=None),
            Row("GET", "/sign-in/callback", ProviderRoutes.callback, work=None, status=303, media=None),
        ),
    ),
    (
        Conversations,
        (
            Row("GET", "/api/conversations", Conversations.list, key="read"),
            Row("DELETE", "/api/conversations", Conversations.delete_all),
            Row("GET", "/api/search", Conversations.search, work="search", key="read"),
            Row("POST", "/api/conversations/take-over", Conversations.take_over),
            Row("GET", "/api/conversations/{id}", Conversations.open, key="read"),
            Row("PATCH", "/api/conversations/{id}", Conversations.change, body=LONG, key="write"),
            Row("DELETE", "/api/conversations/{id}", Conversations.delete, status=204, key="write"),
            Row("POST", "/api/conversations/{id}/restore", Conversations.restore, key="write"),
        ),
    ),
    (
        Exports,
        (
            Row("GET", "/api/conversations/{id}/export", Exports.one, answers=Archive, key="read"),
            Row("GET", "/api/export", Exports.all, answers=Archive, key="read"),
        ),
    ),
    (
        ImportRoutes,
        (
            Row("GET", "/api/imports", ImportRoutes.list),
            Row("POST", "/api/imports", ImportRoutes.begin, status=201),
            Row("GET", "/api/imports/{id}", ImportRoutes.look),
            Row("PUT", "/api/imports/{id}/data", ImportRoutes.add, body=LONG, work="save"),
            Row("POST", "/api/imports/{id}/start", ImportRoutes.start),
            Row("DELETE", "/api/imports/{id}", ImportRoutes.forget, status=204),
            Row("GET", "/api/conversations/{id}/origin", ImportRoutes.origin),
        ),
    ),
    (
        Trash,
        (
            Row("GET", "/api/trash", Trash.list, key="read"),
            Row("DELETE", "/api/trash", Trash.empty, status=204),
            Row("DELETE", "/api/trash/conversations/{id}", Trash.end_conversation, status=204),
            Row("DELETE", "/api/trash/messages/{id}", Trash.end_messages, status=204),
        ),
    ),
    (
        TurnRoutes,
        (
            Row(
                "POST",
                "/api/turns",
                TurnRoutes.start,
                body=LONG,
                work="send",
                status=201,
                answers=BegunTurn,
                key="write",
            ),
            Row(
                "GET",
                "/api/events",
                TurnRoutes.all_events,
                answers=Events,
                media="text/event-stream",
                key="read",
            ),
            Row(
                "POST",
                "/api/messages/{id}/stop",
                TurnRoutes.stop,
                work=None,
                status=202,
                media=None,
                key="write",
            ),
            Row(
                "GET",
                "/api/messages/{id}/events",
                TurnRoutes.events,
                answers=Events,
                media="text/event-stream",
                key="read",
            ),
        ),
    ),
    (
        Messages,
        (
            Row("GET", "/api/messages/{id}", Messages.look, key="read"),
            Row("DELETE", "/api/messages/{id}", Messages.delete, key="write"),
            Row("POST", "/api/messages/{id}/restore", Messages.restore, key="write"),
            Row("POST", "/api/messages/{id}/activate", Messages.activate, key="write"),
            Row("POST", "/api/messages/{id}/edit", Messages.edit, body=LONG, key="write"),
        ),
    ),
    (
        Replays,
        (Row("GET", "/api/replays/{id}/report", Replays.report, work="list", media="text/html"),),
    ),
    (
        Judgements,
        (
            Row("GET", "/api/messages/{id}/judgement", Judgements.look, key="read"),
            Row("PUT", "/api/messages/{id}/judgement", Judgements.put, body=LONG, work="save", key="write"),
            Row("DELETE", "/api/messages/{id}/judgement", Judgements.withdraw, status=204, key="write"),
            Row("PUT", "/api/messages/{id}/rating", Judgements.rate, key="write"),
            Row("GET", "/api/judgements", Judgements.list, work="list"),
            Row("POST", "/api/judgements/review", Judgements.review, body=LONG, work="save"),
            Row("GET", "/api/judgements/exports/{id}", Judgements.take, media="application/zip"),
        ),
    ),
    (
        Comparisons,
        (
            Row("GET", "/api/comparisons/{id}", Comparisons.look, key="read"),
            Row("POST", "/api/comparisons/{id}/vote", Comparisons.vote, body=LONG, work="save", key="write"),
            Row("POST", "/api/comparisons/{id}/continue", Comparisons.go_on, key="write"),
        ),
    ),
    (
        Queues,
        (
            Row("GET", "/api/queues", Queues.list, work="list"),
            Row("POST", "/api/queues", Queues.make, work="save", status=201),
            Row("DELETE", "/api/queues/{id}", Queues.close, status=204),
            Row("GET", "/api/reviews", Queues.assigned),
            Row("POST", "/api/queues/{id}/next", Queues.next),
            Row("PUT", "/api/reviews/{id}", Queues.review, body=LONG, work="save"),
            Row("DELETE", "/api/reviews/{id}", Queues.take_back, status=204),
        ),
    ),
    (
        MediaRoutes,
        (
            Row(
                "GET",
                "/api/messages/{id}/media/{name}",
                MediaRoutes.get,
                media="application/octet-stream",
                key="read",
            ),
            Row("GET", TESTERS_MEDIA, MediaRoutes.of_tester, media="application/octet-stream"),
        ),
    ),
    (
        ShareRoutes,
        (
            Row("GET", "/api/shares", ShareRoutes.list),
            Row("POST", "/api/shares", ShareRoutes.create, body=LONG, work="list", status=201),
            Row("PATCH", "/api/shares/{id}", ShareRoutes.change),
            Row("DELETE", "/api/shares/{id}", ShareRoutes.end, status=204),
            Row("POST", "/api/shares/{id}/copy", ShareRoutes.copy, work="save", status=201),
        ),
    ),
    (
        SharePages,
        (
            Row("GET", "/s/{id}", SharePages.page, work=None, media="text/html"),
            Row("POST", "/s/{id}", SharePages.unlock, work=None, media="text/html"),
            Row("GET", "/s/{id}/media/{name}", SharePages.media, work=None, media="application/octet-stream"),
        ),
    ),
    (
        Inspect,
        (Row("GET", "/api/messages/{id}/inspect", Inspect.look, work="list", key="read"),),
    ),
    (
        ModerationRoutes,
        (
            Row("GET", "/api/moderation", ModerationRoutes.show),
            Row("POST", "/api/moderation/try", ModerationRoutes.try_out, body=LONG, work="trial"),
            Row("GET", "/api/moderation/decisions", ModerationRoutes.decisions),
            Row("GET", "/api/moderation/decisions/export", ModerationRoutes.export, media="text/csv"),
            Row("GET", "/api/moderation/counts", ModerationRoutes.counts),
        ),
    ),
    (
        Templates,
        (
            Row("GET", "/api/templates", Templates.list, work="list", key="read"),
            Row("POST", "/api/templates", Templates.create, body=LONG, work="save", status=201, key="write"),
            Row("POST", "/api/templates/render", Templates.render, body=LONG, work="render", key="read"),
            Row(
                "POST",
                "/api/templates/import",
                Templates.import_file,
                body=LONG,
                work="save",
                status=201,
                key="write",
            ),
            Row("GET", "/api/templates/{id}", Templates.get, key="read"),
            Row("PUT", "/api/templates/{id}", Templates.change, body=LONG, work="save", key="write"),
            Row("DELETE", "/api/templates/{id}", Templates.delete, status=204, key="write"),
            Row("POST", "/api/templates/{id}/restore", Templates.restore, key="write"),
            Row("GET", "/api/templates/{id}/versions", Templates.versions, key="read"),
            Row("GET", "/api/templates/{id}/versions/{number:int}", Templates.version, key="read"),
            Row(
                "POST",
                "/api/templates/{id}/duplicate",
                Templates.duplicate,
                work="save",
                status=201,
                key="write",
            ),
            Row("GET", "/api/templates/{id}/export", Templates.export, media="application/yaml", key="read"),
        ),
    ),
    (
        ChatTemplates,
        (
            Row("GET", "/api/chat-templates/{model:path}", ChatTemplates.look, work="render"),
            Row("PUT", "/api/chat-templates/{model:path}", ChatTemplates.put, body=LONG, work="save"),
            Row(
                "POST",
                "/api/chat-templates/{model:path}/preview",
                ChatTemplates.preview,
                body=LONG,
                work="render",
            ),
        ),
    ),
    (
        Redeem,
        (
            Row("POST", "/t/redeem", Redeem.redeem, work=None, status=204),
            Row("POST", "/t/switch", Redeem.switch, work=None, status=204),
        ),
    ),
    (
        Links,
        (
            Row("GET", "/api/links", Links.list, work="list"),
            Row("POST", "/api/links", Links.make, body=LONG, work="save", status=201),
            Row("GET", "/api/links/{id}", Links.look),
            Row("PATCH", "/api/links/{id}", Links.change, body=LONG, work="save"),
            Row("POST", "/api/links/{id}/duplicate", Links.duplicate, work="save", status=201),
            Row("POST", "/api/links/{id}/revoke", Links.revoke),
            Row("GET", "/api/links/{id}/answers", Links.answers, work="list"),
        ),
    ),
    (
        Guests,
        (
            Row("GET", "/api/link", Guests.link),
            Row("POST", "/api/consent", Guests.consent, status=204),
            Row("POST", "/api/answers", Guests.answer, body=LONG, work="save", status=204),
            Row("POST", "/api/handover", Guests.handover, status=201),
            Row("POST", "/api/handover/redeem", Guests.redeem, work=None, status=204),
        ),
    ),
    (
        Health,
        (
            Row("GET", "/healthz", Health.alive, work=None),
            Row(
                "GET", "/healthz/stream", Health.stream, work=None, answers=Events, media="text/event-stream"
            ),
            Row("GET", "/readyz", Health.ready, work=None, answers=HealthState),
        ),
    ),
    (
        MetricRoutes,
        (Row("GET", "/metrics", MetricRoutes.scrape, work="list", media="text/plain", key="read"),),
    ),
)


def routes(services: Services, slots: Mapping[Work, Slots] | None = None) -> list[BaseRoute]:
    """The routes, to be registered before anything that matches every path. They expect the owner in
    `scope["state"]["owner"]`, set by `webchat.auth.Door`. slots: by kind of work; `None` for their own."""
    made: list[BaseRoute] = []
    slots = places() if slots is None else slots
    for kind, rows in TABLE:
        handlers = kind(services)
        for row in rows:
            handler = endpoint(row.endpoint, handlers, row.status)
            if row.work is not None:
                handler = in_its_place(handler, slots[row.work], leaves=row.work in LEAVING)
            made.append(Route(row.path, answering(handler), methods=[row.method]))
    made += v1_routes(services, slots["trial"])
    # Whatever else is asked for under /api is answered here, in JSON, and never reaches Gradio.
    made.append(Route("/api/{rest:path}", answering(_nothing), methods=EVERY_METHOD))
    return made


def body_limit(method: str, path: str, most: int) -> int:
    """Maximum bytes of a request's body, checked before any of it is read. Paths outside the table, including
    Gradio's, get the small limit, except for pages of other packages. most: the limit in the settings."""
    if method == "POST" and path.startswith("/pages/"):
        return most
    if method == "POST" and path in (*TAKING, MCP):
        return most
    return most if any(method == known and where.match(path) for known, where in _long()) else SMALL_BODY


@cache
def _long() -> list[tuple[str, re.Pattern[str]]]:
    return [(row.method, compile_path(row.path)[0]) for _, rows in TABLE for row in rows if row.body is LONG]


def key_scope(method: str, path: str) -> KeyScope | None:
    """What an API key needs for a request. Paths outside the table, including Gradio's, are open to none."""
    if path.startswith("/v1/"):
        return "chat"
    if path == MCP:
        return "read"  # what a tool needs beyond that, it checks itself
    return next((scope for known, where, scope in _keyed() if known == method and where.match(path)), None)


@cache
def _keyed() -> list[tuple[str, re.Pattern[str], KeyScope | None]]:
    """Every route in order: of several that match, the first one answers."""
    return [(row.method, compile_path(row.path)[0], row.key) for _, rows in TABLE for row in rows]


EVERY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


async def _nothing(request: Request) -> Response:
    raise not_found()
