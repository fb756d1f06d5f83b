"""How long a page takes to open, in a real browser: with short and long conversations, with few and many of
them, beside a bare `gr.ChatInterface` that already holds as many messages.

    python -m tests.benchmarks.pages [--messages 10 1000] [--conversations 10 10000] [--times 5]

A load lasts from the navigation to the messages (or the list) on the screen. `first` has an empty cache,
`again` is a reload. Medians.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from tests.app_process import AppProcess
from tests.benchmarks.measure import FREELY, bare_gradio, endpoint, fill
from tests.browser import LAUNCH

SHOWN = "#wc-transcript-part article"
LISTED = "#wc-sidebar .wc-row"
BARE_SHOWN = ".message"


@dataclass(frozen=True, slots=True)
class Load:
    """Milliseconds; kB over the wire; elements in the document."""

    first: float
    again: float
    kilobytes: float
    elements: int

    def __str__(self) -> str:
        return (
            f"first {self.first:6.0f} ms, again {self.again:6.0f} ms, {self.kilobytes:7.0f} kB,"
            f" {self.elements:6} elements"
        )


async def opening(browser: Browser, url: str, selector: str, times: int) -> Load:
    """Open `url` until `selector` is there, `times` times."""
    first, again, sizes, elements = [], [], [], 0
    for _ in range(times):
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        page = await context.new_page()
        start = time.perf_counter()
        await page.goto(url, wait_until="commit")
        await page.wait_for_selector(selector)
        first.append((time.perf_counter() - start) * 1000)
        sizes.append(
            await page.evaluate(
                "performance.getEntries().reduce((sum, entry) => sum + (entry.transferSize || 0), 0)"
            )
        )
        start = time.perf_counter()
        await page.reload(wait_until="commit")
        await page.wait_for_selector(selector)
        again.append((time.perf_counter() - start) * 1000)
        elements = await page.evaluate("document.querySelectorAll('*').length")
        await context.close()
    return Load(
        statistics.median(first), statistics.median(again), statistics.median(sizes) / 1000, int(elements)
    )


async def run(messages: Sequence[int], conversations: Sequence[int], times: int) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**LAUNCH)
        with endpoint() as model:
            loads = {}
            for count in messages:
                with tempfile.TemporaryDirectory() as folder:
                    ((place, _),) = fill(Path(folder), 1, count)
                    with AppProcess(Path(folder), "--endpoint", model, env=FREELY) as app:
                        url = f"{app.url}/?c={place}"
                        await opening(browser, url, SHOWN, 1)
                        loads[count] = await opening(browser, url, SHOWN, times)
                print(f"webchat,     {count:6} messages       {loads[count]}", flush=True)
                with bare_gradio(model, count) as (port, _, _):
                    url = f"http://127.0.0.1:{port}"
                    await opening(browser, url, BARE_SHOWN, 1)
                    bare = await opening(browser, url, BARE_SHOWN, times)
                print(f"bare Gradio, {count:6} messages       {bare}", flush=True)
                print(f"{'':12} webchat / bare: first x{loads[count].first / bare.first:.2f},", end=" ")
                print(f"again x{loads[count].again / bare.again:.2f}")
            _growth("messages", loads)
            loads = {}
            for count in conversations:
                with tempfile.TemporaryDirectory() as folder:
                    fill(Path(folder), count, 2)
                    with AppProcess(Path(folder), "--endpoint", model, env=FREELY) as app:
                        await opening(browser, app.url, LISTED, 1)
                        loads[count] = await opening(browser, app.url, LISTED, times)
                print(f"webchat,     {count:6} conversations  {loads[count]}", flush=True)
            _growth("conversations", loads)
        await browser.close()


def _growth(what: str, loads: dict[int, Load]) -> None:
    few, many = loads[min(loads)], loads[max(loads)]
    print(
        f"webchat at {max(loads)} {what} against {min(loads)}:"
        f" first x{many.first / few.first:.2f}, again x{many.again / few.again:.2f}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--messages", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--conversations", type=int, nargs="+", default=[10, 10_000])
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    asyncio.run(run(options.messages, options.conversations, options.times))


if __name__ == "__main__":
    main()
