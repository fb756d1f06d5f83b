"""What the hosts of the files in `deploy/` make of them: their own tools read them. `make test-slow` installs
these tools in an environment of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clean_environment import ROOT
from webchat.settings import Settings

pytestmark = pytest.mark.slow

DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm/webchat"
TOOLS = Path(os.environ.get("VALIDATORS") or Path(sys.prefix) / "validators") / "bin"
_RENDER = """
import json, sys, helm_python, kubernetes_validate, yaml
with helm_python.Chart.load(sys.argv[1]) as chart:
    files = chart.render(json.loads(sys.argv[2]), name="chat", namespace="prod")
texts = [text for name, text in files.items() if name.endswith(".yaml")]
found = [one for text in texts for one in yaml.safe_load_all(text) if one]
for one in found:
    kubernetes_validate.validate(one, sys.argv[3], strict=True)
print(json.dumps(found))
"""


def run(tool: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    if not (TOOLS / tool).exists():
        pytest.skip(f"{tool} is not installed: make test-slow, or name an environment in VALIDATORS")
    env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **more}
    return subprocess.run([TOOLS / tool, *arguments], capture_output=True, text=True, env=env)


def rendered(values: dict[str, Any], kubernetes: str = "1.37") -> dict[str, dict[str, Any]]:
    """What the chart makes of these values, by kind; each is valid."""
    done = run("python", "-c", _RENDER, str(CHART), json.dumps(values), kubernetes)
    assert done.returncode == 0, done.stderr[-2000:]
    return {one["kind"]: one for one in json.loads(done.stdout)}


def example(name: str) -> dict[str, Any]:
    import yaml

    read: dict[str, Any] = yaml.safe_load((CHART / "examples" / name).read_text(encoding="utf-8"))
    return read


def test_the_dockerfile_is_clean() -> None:
    done = run("hadolint", str(DEPLOY / "Dockerfile"))
    assert done.returncode == 0, done.stdout


def test_compose_reads_its_file_with_every_profile(tmp_path: Path) -> None:
    file = tmp_path / "deploy/compose.yaml"
    file.parent.mkdir()
    shutil.copy(DEPLOY / "compose.yaml", file)
    (block,) = re.findall(
        r"^```\n(COMPOSE_PROFILES.+?)^```", (DEPLOY / "team.md").read_text("utf-8"), re.M | re.S
    )
    (file.parent / ".env").write_text(block, encoding="utf-8")
    profiles = ("--profile", "proxy", "--profile", "vllm")
    done = run("docker-compose", "-f", str(file), *profiles, "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert services.keys() == {"web", "database", "proxy", "vllm"}
    assert "ports" not in services["vllm"], "nobody reaches it from outside"
    assert services["web"]["read_only"]
    given = services["web"]["environment"]
    assert given["OPENAI_BASE_URL"] == "https://llm.example.com/v1"
    assert given["WEBCHAT_SIGN_IN"] == "password,link"
    assert given["WEBCHAT_TRUSTED_PROXIES"].startswith("172.16.0.0/12,")
    assert services["proxy"]["environment"]["CHAT_SITE"] == "chat.example.com"
    refused = run("docker-compose", "-f", str(DEPLOY / "compose.yaml"), "config")
    assert "POSTGRES_PASSWORD" in refused.stderr, "without a password it doesn't start"


@pytest.mark.parametrize("kubernetes", ["1.29", "1.37"])
@pytest.mark.parametrize("name", ["one.yaml", "team.yaml", "vllm.yaml"])
def test_an_example_of_the_chart_is_valid_and_hardened(name: str, kubernetes: str) -> None:
    values = example(name)
    made = rendered(values, kubernetes)
    many = values.get("replicas", 1) > 1
    web = made["Deployment"]["spec"]
    pods = [web["template"]["spec"]] + ([made["Job"]["spec"]["template"]["spec"]] if many else [])
    if many:
        assert pods[1]["containers"][0]["command"] == ["webchat", "db", "migrate"]
    for pod in pods:
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}
        named = {one["name"] for one in container["env"]}
        own = {one.removeprefix("WEBCHAT_").lower() for one in named if one.startswith("WEBCHAT_")}
        assert own <= Settings.model_fields.keys()
    env = {one["name"]: one.get("value") for one in web["template"]["spec"]["containers"][0]["env"]}
    assert (
        web["template"]["spec"]["terminationGracePeriodSeconds"] >= float(env["WEBCHAT_SHUTDOWN_GRACE"]) + 5
    )
    assert ("PersistentVolumeClaim" in made) is not many
    assert ("PodDisruptionBudget" in made) is many
    assert web["strategy"]["type"] == ("RollingUpdate" if many else "Recreate")
    assert made["Ingress"]["metadata"]["annotations"]["nginx.ingress.kubernetes.io/affinity"] == "cookie"
    labels = web["template"]["metadata"]["labels"]
    for selector in (
        made["Service"]["spec"]["selector"],
        made["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()


@pytest.mark.parametrize(
    ("values", "cure"),
    [
        ({"replicas": 2}, "needs PostgreSQL"),
        ({"replicas": 2, "database": {"existingSecret": "x"}}, "COOKIE_SECRET"),
    ],
)
def test_the_chart_refuses_what_cannot_work(values: dict[str, Any], cure: str) -> None:
    done = run("python", "-c", _RENDER, str(CHART), json.dumps(values), "1.37")
    assert done.returncode != 0
    assert cure in done.stderr


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    text = (DEPLOY / "webchat.service").read_text(encoding="utf-8")
    unit = tmp_path / "webchat.service"
    # The command it runs has to exist; so has its user, of whom systemd only warns.
    unit.write_text(text.replace("/opt/webchat/bin/webchat", sys.executable), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "webchat.service" in line]
    assert done.returncode == 0, said
    assert said == []
