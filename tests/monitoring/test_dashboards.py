"""The dashboard and the alerts ask for nothing that the real `/metrics` does not have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.base import Backend
from backends.echo import EchoBackend
from backends.errors import Unavailable
from tests.api.conftest import MakeSite, make_site
from webchat.models import ModelSpec
from webchat.monitoring.exposition import samples
from webchat.monitoring.monitor import Files

__all__ = ["make_site"]

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus"
ADDED = {"job", "instance"}
"""Labels that Prometheus adds."""

_METRIC = re.compile(r"\b((?:webchat|gen_ai|process)_\w+|up|ALERTS)\b(?=\s*[\[{)]|\s|$)(\{[^}]*\})?")
_BY = re.compile(r"\bby \(([^)]*)\)")


def queries() -> Iterator[tuple[str, str]]:
    board = json.loads((ROOT / "deploy/grafana/webchat.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
            yield variable["name"], f"sum by ({label}) ({metric})"
    for group in yaml.safe_load((RULES / "alerts.yml").read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
            for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
                yield rule["alert"], f"sum by ({label}) ({rule['expr']})"


async def exposed(make_site: MakeSite) -> dict[str, set[str]]:
    """The labels of each metric, after a reply and a failure."""

    def create(spec: ModelSpec) -> Backend:
        if spec.name == "dead":
            raise Unavailable("Nobody answers.", cure="Start it.")
        return EchoBackend(rate=500)

    specs = [ModelSpec(name=name, kind="echo", source="echo") for name in ("echo", "dead")]
    async with make_site(create=create, specs=specs) as site:
        assert site.services.monitor is not None
        site.services.monitor.files = lambda: Files(1, 1, 1, 1.0)
        ada = site.client(site.visitor())
        for spec in specs:
            begun = await site.send(ada, "one two three", settings={"model": spec.name})
            await site.ended(ada, begun["reply"]["id"])
        begun = await site.send(ada, "word " * 400)
        text = (await site.client(site.operating()).get("/metrics")).text
    labels: dict[str, set[str]] = defaultdict(set, {"up": ADDED})
    for one in samples(text):
        labels[one.name] |= one.labels.keys()
    return labels


async def test_every_query_asks_for_what_is_there(make_site: MakeSite) -> None:
    labels = await exposed(make_site)
    asked = list(queries())
    assert len(asked) > 30
    for where, query in asked:
        metrics = _METRIC.findall(_BY.sub("", query))
        assert metrics, (where, query)
        have = set(ADDED)
        for metric, chosen in metrics:
            assert metric in labels, f"{where}: there is no metric {metric}"
            have |= labels[metric]
            for label in re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", chosen):
                assert label in labels[metric] | ADDED, f"{where}: {metric} has no label {label}"
        for names in _BY.findall(query):
            for label in re.split(r",\s*", names):
                assert label in have, f"{where}: nothing has the label {label}"


def test_the_check_itself_finds_a_wrong_name() -> None:
    wrong: list[Any] = _METRIC.findall('sum by (model) (rate(webchat_turn_total{modl="x"}[5m]))')
    assert wrong == [("webchat_turn_total", '{modl="x"}')]


@pytest.mark.parametrize(
    "command",
    ["check config prometheus.yml", "check rules alerts.yml", "test rules alerts.test.yml"],
)
def test_promtool_accepts_the_rules(command: str) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("PROMTOOL IS MISSING, the alert rules were not checked: apt-get install prometheus")
    done = subprocess.run([tool, *command.split()], cwd=RULES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
