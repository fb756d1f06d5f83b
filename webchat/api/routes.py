"""Every route of the HTTP API, in one table."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from webchat.api.about import About
from webchat.api.chat_templates import ChatTemplates
from webchat.api.conversations import Conversations
from webchat.api.errors import Endpoint, answering, not_found
from webchat.api.exports import Exports
from webchat.api.health import Health
from webchat.api.inspect import Inspect
from webchat.api.messages import Messages
from webchat.api.moderation import ModerationRoutes
from webchat.api.redeem import Redeem
from webchat.api.services import Services
from webchat.api.templates import Templates
from webchat.api.trash import Trash
from webchat.api.turns import TurnRoutes


def routes(services: Services) -> list[BaseRoute]:
    """The routes, to be put before anything that answers everywhere. They ask for the owner in
    `scope["state"]["owner"]`, which `webchat.auth.Door` puts there."""
    about, health, redeem = About(services), Health(services), Redeem(services)
    conversations, messages = Conversations(services), Messages(services)
    turns, exports = TurnRoutes(services), Exports(services)
    inspect, chat_templates = Inspect(services), ChatTemplates(services)
    moderation = ModerationRoutes(services)
    templates, trash = Templates(services), Trash(services)
    table: list[tuple[str, str, Endpoint]] = [
        ("GET", "/api/me", about.me),
        ("GET", "/api/models", about.models),
        ("POST", "/api/models/retry", about.retry),
        ("GET", "/api/search", about.search),
        ("GET", "/api/conversations", conversations.list),
        ("POST", "/api/conversations/take-over", conversations.take_over),
        ("GET", "/api/conversations/{id}", conversations.open),
        ("PATCH", "/api/conversations/{id}", conversations.change),
        ("DELETE", "/api/conversations/{id}", conversations.delete),
        ("POST", "/api/conversations/{id}/restore", conversations.restore),
        ("GET", "/api/conversations/{id}/export", exports.one),
        ("GET", "/api/export", exports.all),
        ("GET", "/api/trash", trash.list),
        ("DELETE", "/api/trash", trash.empty),
        ("DELETE", "/api/trash/conversations/{id}", trash.end_conversation),
        ("DELETE", "/api/trash/messages/{id}", trash.end_messages),
        ("POST", "/api/turns", turns.start),
        ("GET", "/api/events", turns.all_events),
        ("GET", "/api/messages/{id}", messages.look),
        ("GET", "/api/messages/{id}/inspect", inspect.look),
        ("DELETE", "/api/messages/{id}", messages.delete),
        ("POST", "/api/messages/{id}/restore", messages.restore),
        ("POST", "/api/messages/{id}/activate", messages.activate),
        ("POST", "/api/messages/{id}/edit", messages.edit),
        ("PUT", "/api/messages/{id}/rating", messages.rate),
        ("POST", "/api/messages/{id}/stop", turns.stop),
        ("GET", "/api/messages/{id}/events", turns.events),
        ("GET", "/api/moderation", moderation.show),
        ("POST", "/api/moderation/try", moderation.try_out),
        ("GET", "/api/moderation/decisions", moderation.decisions),
        ("GET", "/api/moderation/decisions/export", moderation.export),
        ("GET", "/api/moderation/counts", moderation.counts),
        ("GET", "/api/templates", templates.list),
        ("POST", "/api/templates", templates.create),
        ("POST", "/api/templates/render", templates.render),
        ("POST", "/api/templates/import", templates.bring),
        ("GET", "/api/templates/{id}", templates.get),
        ("PUT", "/api/templates/{id}", templates.change),
        ("DELETE", "/api/templates/{id}", templates.delete),
        ("POST", "/api/templates/{id}/restore", templates.restore),
        ("GET", "/api/templates/{id}/versions", templates.versions),
        ("POST", "/api/templates/{id}/duplicate", templates.duplicate),
        ("GET", "/api/templates/{id}/export", templates.export),
        ("GET", "/api/chat-templates/{model:path}", chat_templates.look),
        ("PUT", "/api/chat-templates/{model:path}", chat_templates.put),
        ("POST", "/api/chat-templates/{model:path}/preview", chat_templates.preview),
        ("POST", "/t/redeem", redeem.redeem),
        ("GET", "/healthz", health.alive),
        ("GET", "/readyz", health.ready),
    ]
    made: list[BaseRoute] = [
        Route(path, answering(endpoint), methods=[method]) for method, path, endpoint in table
    ]
    # Whatever else is asked for under /api is answered here, in JSON, and never reaches Gradio.
    made.append(Route("/api/{rest:path}", answering(_nothing), methods=_EVERY_METHOD))
    return made


_EVERY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


async def _nothing(request: Request) -> Response:
    raise not_found()
