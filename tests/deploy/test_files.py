"""What the deployment files promise, as far as it can be told without their hosts."""

from __future__ import annotations

import re
from ipaddress import ip_address

import pytest
import yaml

from tests.clean_environment import CONSTRAINTS, ROOT
from webchat.commands.space.pins import HOST
from webchat.connections import FILES as FILES_WANTED
from webchat.settings import Settings
from webchat.settings.load import CONFIG

DEPLOY = ROOT / "deploy"
FILES = ["Dockerfile", "compose.yaml", "webchat.service", "README.md", "space/README.md"]


@pytest.mark.parametrize("name", FILES)
def test_every_variable_named_is_a_setting(name: str) -> None:
    named = set(re.findall(r"WEBCHAT_[A-Z_]*[A-Z]", (DEPLOY / name).read_text(encoding="utf-8")))
    assert named <= {f"WEBCHAT_{field.upper()}" for field in Settings.model_fields} | {CONFIG, "WEBCHAT_NAME"}
    assert named


def test_the_image_is_not_root_and_has_no_torch() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["1000:1000"], (
        "by number, as Kubernetes wants it"
    )
    assert "useradd --uid 1000" in text
    assert re.findall(r"^ARG EXTRAS=(.*)$", text, re.MULTILINE) == ["llamacpp,postgres"]


def test_the_image_copies_only_what_its_context_holds() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied: set[str] = set()
    for line in re.findall(r"^COPY (?!--from)(.+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        copied.update(line.split()[:-1])
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_the_unit_allows_as_many_files_as_the_server_asks_for() -> None:
    text = (DEPLOY / "webchat.service").read_text(encoding="utf-8")
    assert re.findall(r"^LimitNOFILE=(\d+)$", text, re.MULTILINE) == [str(FILES_WANTED)]


def test_compose_waits_for_a_healthy_database() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert services["web"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert services["database"]["image"] == "postgres:18"
    assert services["database"]["healthcheck"]["test"]
    assert "C.UTF-8" in services["database"]["environment"]["POSTGRES_INITDB_ARGS"]
    grace = float(services["web"]["stop_grace_period"].removesuffix("s"))
    assert grace > Settings().shutdown_grace


def test_a_space_asks_for_the_tested_versions() -> None:
    pinned = CONSTRAINTS.read_text(encoding="utf-8").lower().replace("_", "-")
    lines = (DEPLOY / "space/requirements.txt").read_text(encoding="utf-8").splitlines()
    plain = [re.sub(r"\[.*\]", "", line) for line in lines if line.partition("==")[0] not in HOST]
    assert plain
    assert not [line for line in plain if f"\n{line}\n" not in pinned]
    front = (DEPLOY / "space/README.md").read_text(encoding="utf-8").split("---")[1]
    assert f"gradio=={yaml.safe_load(front)['sdk_version']}\n" in pinned
    assert len(yaml.safe_load(front)["short_description"]) <= 60  # the host refuses longer ones


def test_compose_knows_the_proxy_outside_the_container() -> None:
    """It comes from the gateway of Docker's network; its pools are these."""
    web = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]["web"]
    default = re.fullmatch(
        r"\$\{WEBCHAT_TRUSTED_PROXIES:-(.+)\}", web["environment"]["WEBCHAT_TRUSTED_PROXIES"]
    )
    assert default
    trusted = Settings(trusted_proxies=tuple(default[1].split(","))).proxies
    for gateway in ("172.17.0.1", "172.18.0.1", "172.31.0.1", "192.168.0.1"):
        assert any(ip_address(gateway) in network for network in trusted)
    assert all(port.startswith("127.0.0.1:") for port in web["ports"])  # nobody passes by the proxy
