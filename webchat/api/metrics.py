"""`/metrics`: for operators and their API keys, and for anybody on the port of its own."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from webchat.api.errors import not_found
from webchat.api.health import Health
from webchat.api.reading import Operator, json_answer
from webchat.api.services import Services
from webchat.auth import error_answer
from webchat.auth.origin import is_loopback
from webchat.monitoring.exposition import MEDIA_TYPE


class MetricRoutes:
    def __init__(self, services: Services) -> None:
        self._monitor = services.monitor

    async def scrape(self, owner: Operator) -> Response:
        """Counts and times of replies, tokens, models and disk in Prometheus's text format, with the names of
        OpenTelemetry's GenAI conventions. No person is in it."""
        return await self.answer()

    async def answer(self) -> Response:
        if self._monitor is None:
            raise not_found()
        return Response(await self._monitor.metrics(), media_type=MEDIA_TYPE)


def own_port(services: Services, host: str) -> ASGIApp:
    """The app behind `metrics_port`: nobody is asked who they are, and nothing else is there. host: on which
    it listens; if that is this machine itself, pages whose names were made to resolve here are rejected."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    metrics, health = MetricRoutes(services), Health(services)

    async def scrape(_: Request) -> Response:
        return await metrics.answer()

    async def ready(_: Request) -> Response:
        return await health.ready()

    async def alive(_: Request) -> Response:
        return json_answer(await health.alive())

    for path, handler in (("/metrics", scrape), ("/readyz", ready), ("/healthz", alive)):
        app.add_route(path, handler, methods=["GET"])

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        inner: ASGIApp = app
        if scope["type"] == "http":
            named = Headers(scope=scope).get("host")  # browsers always send one, some probes do not
            if named is not None and is_loopback(host) and not is_loopback(named):
                inner = _REFUSED
            elif scope.get("state", {}).get("full"):
                inner = _FULL
        await inner(scope, receive, send)

    return guarded


_REFUSED = error_answer(
    403,
    "host_not_allowed",
    "This port can only be opened at this machine's own address.",
    "Use http://localhost with its port, or start the server with --metrics-host to serve others.",
)
_FULL = error_answer(
    503,
    "server_full",
    "The server can't accept more connections.",
    "Try again in a moment.",
    headers={"connection": "close"},
)
