"""The image of `deploy/Dockerfile`, really built and run, without a registry: a Debian base takes the name of
the one it is built from.

Takes about five minutes, root, and Debian's `buildah` and `mmdebstrap`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app_process import free_port
from tests.clean_environment import ROOT
from tests.pages import copy_of_the_project
from tests.served import Served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

BUILDAH = ("buildah", "--storage-driver", "vfs")
BASE = "docker.io/library/python:3.12-slim"
MOST_ADDED = 420
"""Megabytes that the image may add to its base; it was 392 when this was written, and 556 before."""
OF_THIS_MACHINE = ("/etc/xdg", "/etc/pip.conf", "/etc/ssl/certs")
"""Where its pip learns of another index, if it has one."""


def buildah(*arguments: str, cwd: Path = ROOT) -> str:
    done = subprocess.run([*BUILDAH, *arguments], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout.strip()


def base(folder: Path) -> None:
    """A minimal Debian with Python under the name of the real base."""
    archive = folder / "base.tar"
    packages = "--include=python3,python3-venv,ca-certificates"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", packages, "bookworm", str(archive)]
    subprocess.run(command, check=True)
    made = buildah("from", "scratch")
    buildah("add", "--quiet", made, str(archive), "/")
    (Path(buildah("mount", made)) / "usr/bin/python").symlink_to("python3")
    buildah("commit", "--quiet", "--rm", made, BASE)


def megabytes(name: str) -> int:
    listed = json.loads(buildah("images", "--json"))
    size, unit = next(one["size"] for one in listed if name in (one["names"] or ())).split()
    assert unit == "MB"
    return int(float(size))


@dataclass
class Image:
    """A built image, its files mounted, and how it is configured."""

    root: Path
    config: dict[str, Any]
    added: int
    folder: Path

    def command(self, *words: str, data: Path, env: dict[str, str]) -> list[str]:
        """Runs words, or the image's own command, as its user: nothing but /data and /tmp can be written."""
        said = [*self.config["Env"], *(f"{name}={value}" for name, value in env.items())]
        user, group = self.config["User"].split(":")
        inside = [
            "chroot", str(self.root), "setpriv", "--reuid", user, "--regid", group, "--clear-groups",
            "--no-new-privs", "--bounding-set=-all", "env", "-i", *said, *(words or self.config["Cmd"]),
        ]  # fmt: skip
        root, kept = shlex.quote(str(self.root)), shlex.quote(str(data))
        mounts = (
            f"mount --bind {root} {root} && mount -o remount,bind,ro {root} && mount -t proc proc {root}/proc"
            f" && mount --rbind /dev {root}/dev && mount -t tmpfs tmpfs {root}/tmp && chmod 1777 {root}/tmp"
            f" && mount --bind {kept} {root}/data && exec {shlex.join(inside)}"
        )
        return ["unshare", "--mount", "sh", "-c", mounts]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    if os.geteuid() != 0 or not all(map(shutil.which, ("buildah", "mmdebstrap", "setpriv"))):
        pytest.skip("needs root, and: apt-get install buildah mmdebstrap")
    folder = tmp_path_factory.mktemp("image")
    context = copy_of_the_project(folder / "context")
    base(folder)
    volumes = [f"--volume={path}:{path}:ro" for path in OF_THIS_MACHINE if Path(path).exists()]
    tag = "localhost/webchat-tested"
    how = ("--isolation", "chroot", "--network", "host", "--pull=never", "--format", "docker")
    buildah("bud", *how, *volumes, "--file", "deploy/Dockerfile", "--tag", tag, ".", cwd=context)
    made = buildah("from", "--pull-never", tag)
    try:
        sizes = [megabytes(one) for one in (f"{tag}:latest", BASE)]
        config = json.loads(buildah("inspect", "--type", "image", tag))["Docker"]["config"]
        yield Image(Path(buildah("mount", made)), config, sizes[0] - sizes[1], folder)
    finally:
        buildah("rm", made)
        buildah("rmi", tag, BASE)


def test_it_is_small_and_nobody_s_root(image: Image) -> None:
    assert image.added < MOST_ADDED, "megabytes beside the base"
    print(f"the image adds {image.added} MB to its base")
    assert image.config["User"] == "1000:1000"
    assert image.config["Healthcheck"]["Test"][:2] == ["CMD", "python"], "and no curl"
    left = subprocess.run(
        ["find", image.root / "opt/webchat", "-name", "pip"], capture_output=True, text=True
    )
    assert left.stdout == ""


def started(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)


async def test_it_answers_stays_healthy_and_writes_only_to_its_data(image: Image, demo_gguf: Path) -> None:
    """With a file that a person mounts: the engine's libraries are stripped, and the system is read-only."""
    data, log, port = image.folder / "data", image.folder / "log", free_port()
    data.mkdir()
    shutil.copy(demo_gguf, data / "demo.gguf")
    os.chown(data, 1000, 1000)
    env = {"PORT": str(port), "WEBCHAT_MODEL": "/data/demo.gguf", "WEBCHAT_SIGN_IN": "open"}
    env["WEBCHAT_MAX_TOKENS"] = "40"  # or the small model writes until its context is full

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = image.command(*words, data=data, env=env | more)
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    began = time.monotonic()
    process = started(image.command(data=data, env=env), log)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:
            while process.poll() is None:
                try:
                    assert (await client.get("/readyz")).status_code == 200
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
            assert process.poll() is None, log.read_text()
            print(f"it was ready after {time.monotonic() - began:.1f} s")
            page = Served(str(client.base_url), client)
            await page.open_page()
            assert await page.ask("Say hello.")
        health = image.config["Healthcheck"]["Test"][1:]
        assert run(*health).returncode == 0
        assert run(*health, PORT="1").returncode != 0
        assert run("id", "-u").stdout == "1000\n"
        places = "for path in / /home/webchat /opt/webchat /etc; do touch $path/x && echo $path; done"
        assert run("sh", "-c", places).stdout == "", "it can write there"
        assert "/t#" in run("webchat", "link", "new", "Ada").stdout
    finally:
        process.terminate()
    assert process.wait(60) in (0, -signal.SIGTERM), log.read_text()
    assert "Traceback" not in log.read_text()
    assert {"webchat.db", "cookie-secret"} <= {path.name for path in data.iterdir()}
