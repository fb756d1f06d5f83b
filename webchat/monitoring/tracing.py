"""One span per reply with its parts, for any collector that speaks OTLP: no words, and nobody's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from threading import Thread
from typing import TYPE_CHECKING

from backends.errors import ExplainedError
from backends.installation import add_extra
from webchat.monitoring import names
from webchat.turns.measured import Measured

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter

_PARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


class TracingMissing(ExplainedError):
    """The libraries are not installed."""


class Tracing:
    """Sends the spans of replies in the background; what cannot be sent is dropped, and logged by the
    library. exporter: in place of one over HTTP, for tests."""

    def __init__(self, endpoint: str, version: str, *, exporter: SpanExporter | None = None) -> None:
        """endpoint: base URL of the collector, such as `http://localhost:4318`. Raises `TracingMissing`."""
        if find_spec("opentelemetry.sdk") is None:
            raise TracingMissing(
                "Traces need additional packages.", cure=f"Install them: {add_extra('otel')}"
            )
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource.create({"service.name": "webchat", "service.version": version})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or _http(endpoint)))
        self._tracer = self._provider.get_tracer("webchat", version)

    def ended(self, one: Measured) -> None:
        """Send a reply's span."""
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

        # From the clock of durations to that of dates.
        offset = one.ended - one.parts[-1].ended
        span = self._tracer.start_span(
            f"{names.CHAT} {one.model}",
            context=_parent(one.asked_by),
            kind=SpanKind.CLIENT,
            attributes=attributes(one),
            start_time=_nanoseconds(one.parts[0].began + offset),
        )
        if one.code:
            span.set_status(StatusCode.ERROR, one.code)
        inside = set_span_in_context(span)
        for part in one.parts:
            self._tracer.start_span(
                part.name,
                context=inside,
                attributes={names.TURN_PART: part.name},
                start_time=_nanoseconds(part.began + offset),
            ).end(_nanoseconds(part.ended + offset))
        span.end(_nanoseconds(one.ended))

    def close(self, seconds: float = 3.0) -> None:
        """Send what is left, for at most so long. Blocks."""
        # The library's own limits do not hold while a collector says nothing.
        closing = Thread(target=self._provider.shutdown, name="close tracing", daemon=True)
        closing.start()
        closing.join(seconds)


def attributes(one: Measured) -> Mapping[str, str | int]:
    """What a span says of a reply, without what is unknown."""
    found = {
        names.OPERATION: names.CHAT,
        names.PROVIDER: one.backend,
        names.REQUEST_MODEL: one.model,
        names.RESPONSE_MODEL: one.model_id,
        names.INPUT_TOKENS: one.input_tokens,
        names.OUTPUT_TOKENS: one.output_tokens,
        names.CACHED_TOKENS: one.cached_tokens,
        names.ERROR: one.code,
        names.TURN_ID: one.id,
        names.TURN_STATE: one.state,
    }
    return {name: value for name, value in found.items() if value is not None and value != ""}


def _http(endpoint: str) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")


def _parent(traceparent: str) -> Context | None:
    """The context of a `traceparent` header; `None` for one that is not valid."""
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    if (found := _PARENT.fullmatch(traceparent.strip())) is None:
        return None
    trace, span, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(flags))
    return set_span_in_context(NonRecordingSpan(context))


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
