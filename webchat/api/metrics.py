"""`/metrics`: for operators and their API keys, and for anybody on the port of its own."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from webchat.api.errors import not_found
from webchat.api.health import Health
from webchat.api.reading import Operator, json_answer
from webchat.api.services import Services
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


def own_port(services: Services) -> ASGIApp:
    """The app behind `metrics_port`: nobody is asked who they are, and nothing else is there."""
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
    return app
