"""What `/metrics` says after real replies, and to whom."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from prometheus_client.samples import Sample

from backends.base import Backend
from backends.echo import EchoBackend
from backends.errors import Unavailable
from tests.api.conftest import MakeSite, Site, make_site
from tests.app_process import AppProcess
from webchat.models import ModelSpec
from webchat.monitoring import live, names
from webchat.monitoring.exposition import Exposition, Now, samples
from webchat.monitoring.sampling import Sampler
from webchat.server import METRICS

__all__ = ["make_site"]

DOCS = Path(__file__).parents[2] / "deploy/monitoring.md"


async def scraped(site: Site) -> list[Sample]:
    answer = await site.client(site.operating()).get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return list(samples(answer.text))


def value(found: list[Sample], name: str, **labels: str) -> float:
    fits = [one for one in found if one.name == name and labels.items() <= one.labels.items()]
    assert len(fits) == 1, (name, labels, fits)
    return fits[0].value


async def test_a_reply_is_counted_under_the_names_of_the_table(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(rate=100)) as site:
        ada = site.client(site.visitor("Ada Secret"))
        begun = await site.send(ada, "one two three four five")
        assert (await site.ended(ada, begun["reply"]["id"]))["state"] == "complete"
        found = await scraped(site)
        of = {"gen_ai_request_model": "echo", "gen_ai_operation_name": "chat", "gen_ai_provider_name": "echo"}
        assert value(found, "webchat_turns_total", model="echo", state="complete") == 1
        for name in (names.DURATION.name, names.FIRST_CHUNK.name):
            assert value(found, f"{name}_count", **of) == 1
        assert value(found, f"{names.PER_CHUNK.name}_count", **of) >= 4
        assert value(found, f"{names.PER_CHUNK.name}_sum", **of) > 0
        assert value(found, names.INPUT.name, **of) > 0
        assert value(found, names.READY.name) == 1
        assert value(found, names.MODEL_UP.name, model="echo") == 1
        # Neither words nor people.
        text = (await site.client(site.operating()).get("/metrics")).text
        assert "Ada" not in text
        assert "three" not in text
        assert begun["reply"]["id"] not in text
        # Nobody but operators.
        assert (await ada.get("/metrics")).status_code == 404
        await site.turns.aclose()
        assert value(await scraped(site), names.READY.name) == 0


async def test_failures_are_counted_by_their_code_and_names_are_bounded(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create(spec: ModelSpec) -> Backend:
        raise Unavailable("Nobody answers.", cure="Start it.")

    monkeypatch.setattr(live, "MOST_NAMES", 1)
    specs = [ModelSpec(name=name, kind="echo", source="echo") for name in ("a", "b", "c")]
    async with make_site(create=create, specs=specs) as site:
        ada = site.client(site.visitor())
        for name in "abc":
            begun = await site.send(ada, settings={"model": name})
            assert (await site.ended(ada, begun["reply"]["id"]))["state"] == "failed"
        found = await scraped(site)
        assert value(found, names.ERRORS.name, model="a") == 1
        assert value(found, names.ERRORS.name, model=live.OTHER) == 2
        assert value(found, names.MODEL_UP.name, model="a") == 0


def test_an_endpoint_with_thousands_of_models_gets_few_labels_and_none_that_fails_is_missing() -> None:
    up = {f"m{number}": number != 4999 for number in range(5000)}
    text = Exposition(live.Live()).text(Now(True, {}, up, "1")).decode()
    told = {one.labels["model"]: one.value for one in samples(text) if one.name == names.MODEL_UP.name}
    assert len(told) == live.MOST_NAMES
    assert told["m4999"] == 0


async def test_the_samples_of_an_hour_tell_rates_and_percentiles(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(rate=200)) as site:
        monitor = site.services.monitor
        assert monitor is not None
        sampler: Sampler = monitor.sampler
        sampler.samples.append(sampler.sample())
        ada = site.client(site.visitor())
        for _ in range(2):
            begun = await site.send(ada, "one two three four five six")
            await site.ended(ada, begun["reply"]["id"])
        (point,) = sampler.points()
        assert point.rate > 0
        assert point.running == point.queued == point.failed == 0
        first, gap = point.first_token, point.gap
        assert first[0] is not None
        assert first[1] is not None
        assert gap[0] is not None
        assert 0 < first[0] <= first[1]
        assert gap[0] >= 0.0025


def test_every_metric_of_the_table_is_in_the_documentation() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert {one.name for one in names.METRICS} <= set(re.findall(r"`((?:webchat|gen_ai)_\w+)`", text))


def test_the_second_port_answers_without_a_key_and_nothing_else(tmp_path: Path) -> None:
    env = {"WEBCHAT_LOG_FORMAT": "json"}
    app = AppProcess(tmp_path, "--metrics-port", "0", "--no-open", env=env, preloaded=True)
    with app:
        (address,) = re.findall(r"Metrics: (http\S+)/metrics", app.log.read_text(encoding="utf-8"))
        assert httpx.get(f"{address}/readyz").json()["status"] in ("ok", "degraded")
        found = list(samples(httpx.get(f"{address}/metrics").text))
        assert value(found, names.READY.name) == 1
        assert value(found, names.DISK.name) > 0
        assert value(found, names.DATABASE.name) > 0
        assert value(found, "process_resident_memory_bytes") > 0
        assert httpx.get(f"{address}/api/me").status_code == 404
        rebound = httpx.get(f"{address}/metrics", headers={"host": "evil.example:9464"})
        assert (rebound.status_code, rebound.json()["error"]["code"]) == (403, "host_not_allowed")
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as probe:
            probe.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
            assert b" 200 " in probe.recv(64), "a load balancer's check names no host"
        with ExitStack() as held:
            silent = [
                held.enter_context(socket.create_connection(("127.0.0.1", port)))
                for _ in range(METRICS.from_one + 1)
            ]
            assert silent[0].recv(1) == b"", "the oldest that asks nothing makes room"
            assert httpx.get(f"{address}/healthz").status_code == 200
