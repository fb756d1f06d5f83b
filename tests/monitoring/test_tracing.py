"""The spans that a real collector receives of a reply."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from backends.echo import EchoBackend
from tests.turns.conftest import Bench
from webchat.engine import build_engine
from webchat.histogram import Histogram
from webchat.monitoring import names, tracing
from webchat.monitoring.tracing import Tracing, TracingMissing
from webchat.settings import Settings
from webchat.turns.measured import GAP_BOUNDS, PARTS, Measured, Part


class Collector:
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        kept = self.spans = list[Span]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        kept.extend(scope.spans)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def attributes(span: Span) -> dict[str, object]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


async def test_a_reply_is_one_span_with_its_parts(collector: Collector, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, otlp_endpoint=collector.url)
    engine = build_engine(settings, backends={"echo": EchoBackend(rate=200)})
    async with engine.running():
        owner = engine.store.create_owner("visitor", "Ada Secret").id
        bench = Bench(engine.turns, engine.store, engine.models, owner)
        message = await bench.say("one two three")
    (span,) = (one for one in collector.spans if not one.parent_span_id)
    parts = [one for one in collector.spans if one.parent_span_id == span.span_id]
    assert sorted(parts, key=lambda one: one.start_time_unix_nano) == parts
    assert [one.name for one in parts] == list(PARTS)
    assert parts[0].start_time_unix_nano == span.start_time_unix_nano
    for before, after in pairwise(parts):
        assert before.end_time_unix_nano == after.start_time_unix_nano
    said = attributes(span)
    assert said[names.REQUEST_MODEL] == "echo"
    assert said[names.TURN_ID] == message.id
    assert said[names.TURN_STATE] == "complete"
    everything = "".join(map(str, collector.spans))
    assert "three" not in everything
    assert "Ada" not in everything


def test_a_trace_goes_on_from_whoever_asked() -> None:
    from opentelemetry.trace import get_current_span

    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    context = tracing._parent(f"00-{trace}-{parent}-01")
    found = get_current_span(context).get_span_context()
    assert f"{found.trace_id:032x}" == trace
    assert f"{found.span_id:016x}" == parent
    for wrong in ("", "00-xyz", f"00-{'0' * 32}-{parent}-01", f"00-{trace}-{'0' * 16}-01"):
        assert tracing._parent(wrong) is None


def test_without_the_libraries_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "find_spec", lambda _: None)
    with pytest.raises(TracingMissing, match=r"otel"):
        Tracing("http://127.0.0.1:1", "0")


def test_a_collector_that_says_nothing_does_not_hold_the_end() -> None:
    answers, asked = threading.Event(), threading.Event()

    class Silent(SpanExporter):
        def export(self, spans: object) -> SpanExportResult:
            asked.set()
            answers.wait()
            return SpanExportResult.SUCCESS

    traces = Tracing("", "1", exporter=Silent())
    one = Measured(
        "id", "m", "m", "echo", "complete", "", (Part("store", 0, 1),), 1.0, Histogram(GAP_BOUNDS), 1, 1, 0
    )
    traces.ended(one)
    traces.close(0.05)
    assert not answers.is_set()
    assert asked.wait(60)
    answers.set()
