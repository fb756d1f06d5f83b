"""`webchat doctor`: checks this machine and prints one line per finding. Changes nothing, except with
`--forget`."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

from backends._proxies import PROXY_VARIABLES, Proxy, find_proxy
from backends.errors import BackendError, BadProxy
from backends.installation import add_extra
from backends.memory import free_memory
from webchat import __version__
from webchat.backups import last_saved
from webchat.database_url import without_password
from webchat.functions import configured_functions
from webchat.models import ModelSpec, configured, create_backend
from webchat.models.budget import Budget
from webchat.models.learned import FILE, LearnedFile
from webchat.models.room import gigabytes, place_of, refusal, total
from webchat.settings import BadSettings, Settings, model_specs

BACKENDS = {"llamacpp": ("xllamacpp",), "local": ("torch", "transformers", "accelerate")}
GIB = 2**30


def report(settings: Settings) -> Iterator[str]:
    """The lines of the report; each starts with `ok` or `--`."""
    yield f"ok  webchat {__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"
    yield from _backends()
    yield _gpu()
    yield from _models(settings)
    yield from _proxies(settings)
    yield from _endpoints(settings)
    yield _database(settings)
    yield from _snapshots(settings)
    yield _disk(settings)
    yield _port(settings)


def _backends() -> Iterator[str]:
    yield "ok  backend openai: any OpenAI-compatible endpoint"
    for kind, packages in BACKENDS.items():
        try:
            found = ", ".join(f"{package} {version(package)}" for package in packages)
        except PackageNotFoundError:
            yield f"--  backend {kind}: not installed; install with: {add_extra(kind)}"
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
            return "--  GPU: nvidia-smi is installed but does not respond"
        if seen:
            return (
                f"ok  GPU: {'; '.join(seen.splitlines())}. A larger model fits:"
                f" {add_extra('local')}, then webchat --model Qwen/Qwen3-4B-Instruct-2507"
            )
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "ok  GPU: Apple silicon"
    return "--  GPU: none found; models run on the CPU"


def _models(settings: Settings) -> Iterator[str]:
    try:
        models, specs = model_specs(settings), configured(settings)
    except BadSettings as error:
        yield f"--  model: {error}"
        return
    budget = Budget(
        None if settings.memory_budget is None else int(settings.memory_budget * 1e9), free_memory
    )
    for model, spec in zip(models, specs, strict=True):
        source = (
            "embedded"
            if model.demo
            else f"{model.endpoint or model.function or ''} {model.model or ''}".strip()
        )
        if model.adapter is not None:
            source += f" with {model.adapter}"
        fits, said = _memory(spec, budget)
        yield f"{'ok' if fits else '--'}  model {model.name}: {model.kind}, {source}{said}"


def _proxies(settings: Settings) -> Iterator[str]:
    """How each endpoint is reached, if the environment names a proxy at all."""
    if not any(os.environ.get(name) for name in PROXY_VARIABLES):
        return
    try:
        endpoints = dict.fromkeys(model.endpoint for model in model_specs(settings) if model.endpoint)
    except BadSettings:
        return  # told with the models
    for endpoint in endpoints:
        place = urlsplit(endpoint).netloc.rpartition("@")[2]
        try:
            proxy = find_proxy(endpoint, os.environ)
        except BadProxy as error:
            yield f"--  connection to {place}: {error}"
            continue
        if proxy is None:
            yield f"ok  connection to {place}: direct, without a proxy"
        else:
            yield _tried(proxy, place)


def _tried(proxy: Proxy, place: str) -> str:
    way = f"connection to {place}: through the proxy {proxy.shown} ({proxy.variable})"
    host, _, port = proxy.shown.partition("://")[2].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError as error:
        return f"--  {way}, which cannot be reached: {error.strerror or error}"
    return f"ok  {way}, which is reachable"


def _endpoints(settings: Settings) -> Iterator[str]:
    """Features that endpoints rejected while the server ran."""
    for endpoint, model, learned, on in LearnedFile(settings.data_dir / FILE).all():
        clashes = [f"{one} beside {other}" for one, other in sorted(learned.clashes)]
        out = ", ".join([*sorted(learned.always), *clashes])
        yield f"ok  endpoint {endpoint}, {model}: requests leave out {out} (detected on {on:%Y-%m-%d})"


def forget(settings: Settings) -> str:
    """Clear the record of features that endpoints rejected. Returns a line about it."""
    try:
        LearnedFile(settings.data_dir / FILE).forget()
    except OSError as error:
        return f"--  the record of rejected features cannot be cleared: {error.strerror}"
    return "ok  cleared the record of rejected features; restart a running server to detect them again"


def _memory(spec: ModelSpec, budget: Budget) -> tuple[bool, str]:
    """Whether a model alone fits into memory, and a remark about it."""
    try:
        backend = configured_functions([spec]).get(spec.name) or create_backend(spec)
        footprint = backend.footprint()
    except BackendError as error:
        return False, f"; {error}"
    if footprint is None:
        return True, "" if spec.kind in (
            "openai",
            "function",
        ) else "; its memory needs are known once it is downloaded"
    needed, limit = total([footprint]), asyncio.run(budget.of(place_of(footprint)))
    if limit is not None and needed > limit:
        return False, f"; {refusal(spec.name, (), footprint, limit)}"
    of = "" if limit is None else f" of {gigabytes(limit)} GB for models"
    return True, f"; needs about {gigabytes(needed)} GB{of}"


def _database(settings: Settings) -> str:
    shown = without_password(settings.store_url)
    if settings.store_url.startswith("sqlite"):
        there = (
            "exists" if (settings.data_dir / "webchat.db").exists() else "will be created at the first start"
        )
        return f"ok  database {shown}: {there if settings.database_url is None else 'a file'}"
    try:
        import psycopg
    except ImportError:
        return f"--  database {shown}: the driver is missing; install with: {add_extra('postgres')}"
    scheme, _, rest = settings.store_url.partition("://")
    url = f"{scheme.partition('+')[0]}://{rest}"
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        return f"--  database {shown}: cannot be reached ({type(error).__name__})"
    return f"ok  database {shown}: reachable"


def _snapshots(settings: Settings) -> Iterator[str]:
    if settings.snapshots is None:
        if settings.ephemeral and settings.store_url.startswith("sqlite"):
            yield "--  snapshots: none, so all chats end with the next restart; set snapshots"
        return
    saved = last_saved(settings)
    if saved is None:
        yield f"--  snapshots in {settings.snapshots}: none made yet"
        return
    minutes = max(0, int((datetime.now(UTC) - saved).total_seconds() / 60))
    late = minutes > 3 * settings.snapshots_every
    yield f"{'--' if late else 'ok'}  snapshots in {settings.snapshots}: everything saved {minutes} min ago"


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
