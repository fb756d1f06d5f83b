"""`webchat doctor`: what this machine has and lacks, one line each. Looks, and changes nothing."""

from __future__ import annotations

import platform
import shutil
import socket
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from webchat import __version__
from webchat.settings import BadSettings, Settings, model_specs
from webchat.settings.table import without_password

BACKENDS = {"llamacpp": ("xllamacpp",), "local": ("torch", "transformers", "accelerate")}
GIB = 2**30


def report(settings: Settings) -> Iterator[str]:
    """The lines of the report; each begins with `ok` or `--`."""
    yield f"ok  webchat {__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"
    yield from _backends()
    yield _gpu()
    yield from _models(settings)
    yield _database(settings)
    yield _disk(settings)
    yield _port(settings)


def _backends() -> Iterator[str]:
    yield "ok  backend openai: any OpenAI-compatible endpoint"
    for kind, packages in BACKENDS.items():
        try:
            found = ", ".join(f"{package} {version(package)}" for package in packages)
        except PackageNotFoundError:
            yield f"--  backend {kind}: not installed; add it with: pip install 'webchat[{kind}]'"
        else:
            yield f"ok  backend {kind}: {found}"


def _gpu() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is not None:
        query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
        try:
            seen = subprocess.run(
                query, capture_output=True, text=True, timeout=20, check=True
            ).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return "--  GPU: nvidia-smi is here but does not answer"
        if seen:
            return (
                f"ok  GPU: {'; '.join(seen.splitlines())}. A larger model fits it:"
                " pip install 'webchat[local]', then webchat --model Qwen/Qwen3-4B-Instruct-2507"
            )
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "ok  GPU: Apple silicon"
    return "--  GPU: none seen; models run on the CPU"


def _models(settings: Settings) -> Iterator[str]:
    try:
        specs = model_specs(settings)
    except BadSettings as error:
        yield f"--  model: {error}"
        return
    for spec in specs:
        source = "embedded" if spec.demo else f"{spec.endpoint or ''} {spec.model or ''}".strip()
        yield f"ok  model {spec.name}: {spec.kind}, {source}"


def _database(settings: Settings) -> str:
    shown = without_password(settings.store_url)
    if settings.store_url.startswith("sqlite"):
        there = (
            "is there" if (settings.data_dir / "webchat.db").exists() else "will be made at the first start"
        )
        return f"ok  database {shown}: {there if settings.database_url is None else 'a file'}"
    try:
        import psycopg
    except ImportError:
        return f"--  database {shown}: the driver is missing; add it with: pip install 'webchat[postgres]'"
    scheme, _, rest = settings.store_url.partition("://")
    url = f"{scheme.partition('+')[0]}://{rest}"
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        return f"--  database {shown}: cannot be reached ({type(error).__name__})"
    return f"ok  database {shown}: answers"


def _disk(settings: Settings) -> str:
    folder = settings.data_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return f"{'ok' if free > GIB else '--'}  data folder {settings.data_dir}: {free / GIB:.1f} GiB free"


def _port(settings: Settings) -> str:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, settings.port))
    except OSError as error:
        return f"--  {settings.host} port {settings.port}: {error.strerror}"
    return f"ok  {settings.host} port {settings.port}: free"
