"""Opening the page while the transformer engine in the same process writes for several people, against idle.

    python -m tests.benchmarks.busy [--people 8] [--times 5]

Medians of a first opening and a reload in a real browser, in one run.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path

from playwright.async_api import async_playwright

from tests.app_process import ROOT, AppProcess
from tests.benchmarks.measure import FREELY
from tests.benchmarks.pages import Load, opening
from tests.browser import LAUNCH
from tests.load import converse

MODEL = ROOT / ".cache" / "models" / "SmolLM2-135M-Instruct-F16"
SHOWN = "#wc-composer-text textarea"


async def _writing(port: int, number: int, over: asyncio.Event) -> None:
    """One person who asks again as soon as the reply has ended."""
    while not over.is_set():
        await converse(port, f"Write a very long story about the sea, number {number}.")


async def run(people: int, times: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        flags = ("--model", str(MODEL), "--slots", str(people), "--max-tokens", "400")
        with AppProcess(Path(folder), *flags, env=FREELY) as app:
            await converse(app.port, "Hello")
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(**LAUNCH)
                await opening(browser, app.url, SHOWN, 2)
                idle = await opening(browser, app.url, SHOWN, times)
                over = asyncio.Event()
                writers = [asyncio.create_task(_writing(app.port, number, over)) for number in range(people)]
                await asyncio.sleep(3)
                busy = await opening(browser, app.url, SHOWN, times)
                over.set()
                for writer in writers:
                    writer.cancel()
                    with suppress(asyncio.CancelledError):
                        await writer
                await browser.close()
    _print("idle", idle)
    _print(f"{people} writing", busy)
    print(f"busy against idle: first x{busy.first / idle.first:.2f}, again x{busy.again / idle.again:.2f}")


def _print(name: str, load: Load) -> None:
    print(f"{name:12} {load}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    asyncio.run(run(options.people, options.times))


if __name__ == "__main__":
    main()
