"""What `/metrics` says, in Prometheus's format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from webchat.histogram import Histogram
from webchat.monitoring import names
from webchat.monitoring.live import MOST_NAMES, Live, Tally
from webchat.turns.measured import Activity

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_FAMILIES: Mapping[str, Any] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


@dataclass(frozen=True, slots=True)
class Now:
    """How it is at this moment. up: by model. Sizes in bytes, ages in seconds; `None` for what there is not.
    dropped: decisions that the moderation log lost."""

    ready: bool
    activity: Mapping[str, Activity]
    up: Mapping[str, bool]
    version: str
    dropped: int = 0
    disk_free: int | None = None
    database_bytes: int | None = None
    backup_age: float | None = None


class Exposition:
    """Writes the metrics of one server. now: called on the event loop for each answer; `text` may then run in
    a thread."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def text(self, now: Now) -> bytes:
        """All metrics."""
        registry = CollectorRegistry()
        registry.register(_Collector(lambda: families(self._live, now)))
        ProcessCollector(registry=registry)
        return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()


def families(live: Live, now: Now) -> Iterator[Metric]:
    """Every metric of the table, with its values."""
    made: dict[str, Any] = {metric.name: _family(metric) for metric in names.METRICS}

    def add(metric: names.Metric, values: Sequence[str], value: float | None) -> None:
        if value is not None:
            made[metric.name].add_metric(values, value)

    for model, tally in list(live.models.items()):
        _add_tally(made, model, tally)
    for model, activity in now.activity.items():
        add(names.RUNNING, (model,), activity.running)
        add(names.QUEUED, (model,), activity.queued)
    # Endpoints list thousands; those that fail come first.
    for model, up in sorted(now.up.items(), key=lambda one: one[1])[:MOST_NAMES]:
        add(names.MODEL_UP, (model,), up)
    add(names.READY, (), now.ready)
    add(names.LAG, (), live.lag)
    add(names.DISK, (), now.disk_free)
    add(names.DATABASE, (), now.database_bytes)
    add(names.BACKUP, (), now.backup_age)
    add(names.DROPPED, (), now.dropped)
    add(names.INFO, (now.version,), 1)
    yield from made.values()


def _family(metric: names.Metric) -> Any:
    # The library appends `_total` to the names of counters.
    name = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
    return _FAMILIES[metric.kind](name, metric.about, labels=metric.labels)


def _add_tally(made: Mapping[str, Any], model: str, tally: Tally) -> None:
    of = (names.CHAT, tally.backend, model)
    for code, durations in list(tally.durations.items()):
        _add_histogram(made[names.DURATION.name], (*of, code), durations)
        if code:
            made[names.ERRORS.name].add_metric((model, code), durations.count)
    for state, count in list(tally.states.items()):
        made[names.TURNS.name].add_metric((model, state), count)
    _add_histogram(made[names.FIRST_CHUNK.name], of, tally.first_token)
    _add_histogram(made[names.PER_CHUNK.name], of, tally.gaps)
    _add_histogram(made[names.QUEUE.name], (model,), tally.queue)
    for metric, count in (
        (names.INPUT, tally.input_tokens),
        (names.OUTPUT, tally.output_tokens),
        (names.CACHED, tally.cached_tokens),
    ):
        made[metric.name].add_metric(of, count)


def _add_histogram(family: Any, labels: Sequence[str], histogram: Histogram) -> None:
    buckets, count = [], 0
    for bound, more in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
        count += more
        buckets.append(("+Inf" if bound == float("inf") else str(bound), float(count)))
    family.add_metric(labels, buckets, histogram.total)


def samples(text: str) -> Iterator[Sample]:
    """The values in such a text."""
    from prometheus_client.parser import text_string_to_metric_families

    for family in text_string_to_metric_families(text):
        yield from family.samples
