"""What a start costs: seconds until the page answers, and memory then, against a bare `gr.ChatInterface`.

    python -m tests.benchmarks start

Both are started from warm files, in turn, on the same endpoint. webchat opens its database, builds its page
and looks for the endpoint's models; bare Gradio has only a page. `first` is the first start on an empty data
folder, which makes the tables.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.app_process import ROOT, free_port
from tests.benchmarks.measure import cpu_seconds, endpoint, memory_mib, wait_for


@dataclass(frozen=True)
class Start:
    """One start. seconds: until the first 200 on the page. cpu: seconds of processor time until then."""

    seconds: float
    cpu: float
    mib: float


def of_webchat(url: str, data_dir: Path) -> Start:
    port = free_port()
    flags = ["--port", str(port), "--endpoint", url, "--data-dir", str(data_dir), "--no-open"]
    with _started([sys.executable, "-m", "webchat", *flags], port) as start:
        return start


def of_bare_gradio(url: str) -> Start:
    port = free_port()
    flags = ["--port", str(port), "--endpoint", url]
    with _started([sys.executable, "-m", "tests.benchmarks.bare_gradio", *flags], port) as start:
        return start


@contextmanager
def _started(command: list[str], port: int) -> Iterator[Start]:
    env = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/")
        seconds = time.perf_counter() - begin
        yield Start(seconds, cpu_seconds(process.pid), memory_mib(process.pid))
    finally:
        process.terminate()
        process.wait()


def _median(starts: list[Start]) -> Start:
    return Start(
        *(statistics.median(values) for values in zip(*(s.__dict__.values() for s in starts), strict=True))
    )


def run(times: int) -> None:
    with endpoint() as url, tempfile.TemporaryDirectory() as folder:
        of_bare_gradio(url)  # reads the files into memory
        first = of_webchat(url, Path(folder) / "data")
        ours, bare = [], []
        for _ in range(times):
            ours.append(of_webchat(url, Path(folder) / "data"))
            bare.append(of_bare_gradio(url))
    rows = {"webchat, first": first, "webchat": _median(ours), "bare Gradio": _median(bare)}
    print(f"{'':<16}{'seconds':>9}{'cpu s':>8}{'MiB':>8}")
    for name, start in rows.items():
        print(f"{name:<16}{start.seconds:>9.2f}{start.cpu:>8.2f}{start.mib:>8.0f}")
    mine, theirs = rows["webchat"], rows["bare Gradio"]
    print(
        f"{'ratio':<16}{mine.seconds / theirs.seconds:>9.2f}{mine.cpu / theirs.cpu:>8.2f}"
        f"{mine.mib / theirs.mib:>8.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--times", type=int, default=5)
    run(parser.parse_args().times)


if __name__ == "__main__":
    main()
