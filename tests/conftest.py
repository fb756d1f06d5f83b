"""What every test stands on: an environment of its own, and the demo model."""

from __future__ import annotations

import gc
import logging
import os
import re
import ssl
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import certifi
import pytest
from filelock import FileLock

# What only fixtures need is imported there: the process that hands out the tests runs none.
from webchat.gradio_stubs import skip_gradio_stubs

skip_gradio_stubs()

MODELS = Path(__file__).parent.parent / ".cache" / "models"

# pip may need the settings of the person who runs the tests to reach the package index.
_REAL_HOME = os.environ.get("HOME")

_OURS = ("WEBCHAT_", "OPENAI_", "GRADIO_", "HF_", "TRANSFORMERS_", "XDG_")
_OURS_WHOLE = {"DATABASE_URL", "SPACE_ID", "HUGGING_FACE_HUB_TOKEN"}


_HEAVY = re.compile(
    r"^\s*(?:from|import) (?:backends\.bounded|gradio|hypothesis|multiprocessing|playwright|subprocess|torch"
    r"|transformers|xllamacpp|tests\.(?:app_process|asgi|asset_page|backends\.\w*(?:cases|server)|browser|child_server"
    r"|clean_environment|e2e|deploy\.examples|growth|hostile_server|postgres|served|ui\.site|\w+_(?:process|proxy|server))"
    r"|webchat\.(?:app|console|moderation\.trying_apart|server|ui))\b"
    r"|importorskip|check_moderator|killed_after|start_server|serving\(|\bdemo_(?:folder|gguf)\b",
    re.MULTILINE,
)
"""In a file that starts a browser, an engine, a server or a process, draws examples or measures."""


@cache
def is_heavy(path: Path) -> bool:
    return path.name.startswith("test_") and _HEAVY.search(path.read_text("utf-8")) is not None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out the heavy files")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if config.getoption("quick") and is_heavy(collection_path) else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None]:
    """What was collected stays to the end: the garbage collector need not look at it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The heavy files first: no worker begins one when the others have nothing left to do. Those of different
    rooms in turn: while a test of the page waits for its browser, one of an engine computes. With `CI` set,
    a test that failed is run once more, and the end of the run names it."""
    places = _places([path for path in dict.fromkeys(item.path for item in items) if is_heavy(path)])
    items.sort(key=lambda item: places.get(item.path, 1))
    if os.environ.get("CI"):
        for item in items:
            item.add_marker(pytest.mark.flaky(reruns=1))


def _places(files: Sequence[Path]) -> dict[Path, float]:
    """When each file's turn comes, from 0 to less than 1: each room's are spread over all of it."""
    rooms: dict[Path, list[Path]] = {}
    for file in files:
        rooms.setdefault(file.parent, []).append(file)
    return {file: at / len(room) for room in rooms.values() for at, file in enumerate(room)}


BROWSING = ("page", "blank", "opened", "browser")
"""Fixtures that hold a browser, or a page of one, for many tests."""

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[_FAILED] = report.failed
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Function) -> Generator[None]:
    """A test that failed leaves its browser to nobody, not even to itself when it is run again: if it has
    crashed, all of them would fail."""
    yield
    if item.stash.get(_FAILED, False):
        for name in BROWSING:
            for fixture in item._fixtureinfo.name2fixturedefs.get(name, ()):
                fixture.finish(item._request)  # type: ignore[arg-type]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names the tests that passed only when run again, and says how they failed before."""
    stats = terminalreporter.stats
    failed = {report.nodeid for report in [*stats.get("failed", []), *stats.get("error", [])]}
    again = {report.nodeid: report for report in stats.get("rerun", []) if report.nodeid not in failed}
    if not again:
        return
    terminalreporter.section("passed only when run again", yellow=True)
    for name, report in again.items():
        terminalreporter.write_sep("_", name)
        terminalreporter.write_line(report.longreprtext)
    for name in again:
        terminalreporter.write_line(f"AGAIN {name}", yellow=True)


@pytest.fixture(scope="session", autouse=True)
def isolated_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees or touches the settings, folders and tokens of the person who runs it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(_OURS) or name in _OURS_WHOLE:
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        for kind in ("CACHE", "CONFIG", "DATA", "STATE"):
            patch.setenv(f"XDG_{kind}_HOME", str(home / kind.lower()))
        patch.setenv("HF_HOME", str(home / "huggingface"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        patch.setenv("GOMP_SPINCOUNT", "10000")  # as the engine sets it, for tests that load torch before it
        yield


@pytest.fixture(scope="session", autouse=True)
def new_databases(isolated_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    from tests.cheap_databases import cheap_databases

    with cheap_databases(tmp_path_factory.mktemp("migrated")):
        yield


@pytest.fixture(scope="session", autouse=True)
def certificates_read_once() -> Iterator[None]:
    """Reading those that are trusted takes 20 ms, and every client does it."""
    read, trusted = ssl.create_default_context, certifi.where()
    once = cache(partial(read, cafile=trusted))

    def context(*args: Any, **options: Any) -> ssl.SSLContext:
        return once() if not args and options == {"cafile": trusted} else read(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", context)
        yield


@pytest.fixture(scope="module", autouse=True)
def log_levels() -> Iterator[None]:
    """What a server of one file set in this process is not set in the next."""
    from webchat.logs import TALKATIVE, TELLING

    before = {name: logging.getLogger(name).level for name in (*TALKATIVE, *TELLING)}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture(scope="session")
def demo_gguf(isolated_environment: None) -> Path:
    """The demo model's file; made once, then kept in the repository's own cache."""
    from backends.llamacpp.demo import demo_model

    with pytest.MonkeyPatch.context() as patch, one_worker("gguf"):
        if _REAL_HOME is not None:
            patch.setenv("HOME", _REAL_HOME)
        return demo_model(MODELS)


@pytest.fixture(scope="session")
def demo_folder(demo_gguf: Path) -> Path:
    """The demo model as transformers keeps models; made once from its file, beside it."""
    from backends.llamacpp.demo import REQUIREMENT

    folder = MODELS / REQUIREMENT.replace("==", "-")
    if not folder.is_dir():
        pytest.importorskip("transformers")
        with one_worker("folder"):
            if not folder.is_dir():
                _convert(demo_gguf, folder)
    return folder


@contextmanager
def one_worker(making: str) -> Iterator[None]:
    """While one makes something large, the other workers wait; the lock of a killed one is free."""
    MODELS.mkdir(parents=True, exist_ok=True)
    with FileLock(MODELS / f"{making}.lock"):
        yield


def _convert(gguf: Path, folder: Path) -> None:
    from backends.local.loading.dense import write_dense

    with pytest.MonkeyPatch.context() as patch:
        # It reads the file three times, which takes most of the time.
        patch.setattr("gguf.GGUFReader", cache(pytest.importorskip("gguf").GGUFReader))
        write_dense(gguf, folder)
