"""The settings of watching a server from outside: logs, metrics and traces."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from webchat.settings.engine import setting
from webchat.settings.model import http_url


class MonitoringFields(BaseModel):
    """What other programs are told of how the server does."""

    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "Minimum severity of log messages."
    )
    log_format: Literal["text", "json"] = setting(
        "text",
        "Form of log messages. `json` writes an object per line, with the ID of the reply that a message is"
        " about, and one for each reply that has ended. Logs never contain what people or models write.",
    )
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = setting(
        None,
        "A second port that answers `/metrics`, `/healthz` and `/readyz` without a key, for Prometheus and"
        " probes; 0 picks a free one. Operators can open `/metrics` on the main port too.",
        "a whole number from 0 to 65535",
    )
    metrics_host: str = setting(
        "127.0.0.1", "Address on which `metrics_port` listens.", "an address or host name"
    )
    otlp_endpoint: Annotated[str, AfterValidator(http_url)] | None = setting(
        None,
        "Base URL of an OpenTelemetry collector that receives a trace of each reply over HTTP, such as"
        " http://localhost:4318. Needs the extra `otel`.",
        "an http(s) URL without a password in it",
    )
