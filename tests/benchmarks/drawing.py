"""What drawing costs the page: the renderer's CPU until all is set, and the longest task of the page.

    python -m tests.benchmarks.drawing [--against FOLDER] [--only NAME]

FOLDER holds the assets of another version (`webchat/ui/assets` of a checkout), measured in turn with these,
text by text. A fixed piece of work, timed in the same page before each text, tells a slow machine from slow
drawing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from tests.browser import LAUNCH, PATIENCE
from tests.ui.asset_page import asset_server
from webchat.ui.static import ASSETS

REPLY = (
    "# Title\n\nSome **bold** text, `code`, a [link](https://e.org).\n\n- one\n- two\n\n"
    "```python\nx = 1\n```\n\n$x^2$\n\n"
)
LONG = "".join(
    f"## Part {n}\n\n"
    + "The quick brown fox jumps over the lazy dog, and **that** is `it`. " * 8
    + "\n\n1. one\n2. two\n   - three\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    + f"```python\ndef f{n}(x):\n    return x + {n}\n```\n\n"
    for n in range(190)
)
TEXTS = {
    "a reply": REPLY * 3,
    "500 formulas": "".join(
        f"Where $x_{{{n}}}$ is\n\n$$\n\\sum_{{k=0}}^{{{n}}} a^k\n$$\n\n" for n in range(250)
    ),
    "4,000 notes": "".join(f"[^{n}]: note {n}\n" for n in range(4000)),
    "16,000 paragraphs": "a short one\n\n" * 16_000,
    "5,000 items": "- item **b** `c`\n" * 5000,
    "3,000 rows": "| a | b | c |\n|---|---|---|\n"
    + "".join(f"| row {n} | **bold** | {n * 7} |\n" for n in range(3000)),
    "36,000 tokens": LONG,
    "a long paragraph": "a **word** and `code` " * 2000,
}
STREAMS = {"streamed": (REPLY * 3, 4), "streamed items": (TEXTS["5,000 items"][:16_000], 40)}
"""Texts, and the size of the pieces they come in; each piece is drawn by itself."""

CHAT = [REPLY * 15] * 30

DRAW = """async ([kind, text, size]) => {
  const work = () => {
    const begun = performance.now();
    let sum = 0;
    for (let at = 0; at < 2e6; at += 1) sum = (sum * 31 + at) | 0;
    return performance.now() - begun + 0 * sum;
  };
  work();
  const calibration = Math.min(...Array.from({ length: 5 }, work));
  const tasks = [];
  const note = (list) => tasks.push(...list.getEntries().map(({ duration }) => duration));
  const later = () => new Promise((resolve) => setTimeout(resolve));
  await later();
  const observer = new PerformanceObserver(note);
  observer.observe({ type: "longtask" });
  if (kind === "chat") {
    const { MessageView } = await import("/message.js");
    const list = document.querySelector(".wc-transcript");
    const record = { role: "assistant", state: "complete", siblings: [], seq: 0, reasoning: "" };
    await later();
    const made = (one, id) => new MessageView({ ...record, id: `${id}`, text: one }, t).element;
    list.replaceChildren(...text.map(made));
  } else if (size) {
    fresh();
    for (let at = 0; at < text.length; at += size) {
      view.append(text.slice(at, at + size));
      view.flush();
      await later();
    }
    view.finish();
  } else whole(text);
  await settled();
  await new Promise((resolve) => setTimeout(resolve, 300));
  observer.disconnect();
  return [calibration, Math.max(0, ...tasks)];
}"""


class Cost(NamedTuple):
    cpu: float
    """Milliseconds of the renderer's main thread."""
    longest: float
    """Milliseconds of the longest task; 0 where none is over 50."""
    calibration: float
    """Milliseconds of a fixed piece of work."""


class Drawing:
    """A page with one version of the assets."""

    def __init__(self, page: Page, devtools: CDPSession) -> None:
        self._page = page
        self._devtools = devtools
        devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        self.cost("text", REPLY)

    def cost(self, kind: str, text: str | list[str], size: int = 0) -> Cost:
        before = self._busy()
        calibration, longest = self._page.evaluate(DRAW, [kind, text, size])
        return Cost(1000 * (self._busy() - before), longest, calibration)

    def _busy(self) -> float:
        metrics = self._devtools.send("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")


@contextmanager
def drawing(browser: Browser, assets: Path) -> Iterator[Drawing]:
    with asset_server(assets) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.wait_for_function("window.ready")
        yield Drawing(page, page.context.new_cdp_session(page))
        page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--against", type=Path)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    cases: dict[str, tuple[str, str | list[str], int]] = {
        **{name: ("text", text, 0) for name, text in TEXTS.items()},
        **{name: ("text", *stream) for name, stream in STREAMS.items()},
        "30 messages": ("chat", CHAT, 0),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**LAUNCH)
        for name, case in cases.items():
            if options.only not in name:
                continue
            with drawing(browser, ASSETS) as now:
                cost = now.cost(*case)
            print(f"{name:17} {_said(cost)}", end="" if options.against else "\n", flush=True)
            if options.against:
                with drawing(browser, options.against) as then:
                    before = then.cost(*case)
                print(f"; x{cost.cpu / before.cpu:.2f} of before: {_said(before)}", flush=True)
        browser.close()


def _said(cost: Cost) -> str:
    return f"{cost.cpu:6.0f} ms of CPU, longest task {cost.longest:5.0f} ms, work {cost.calibration:4.1f} ms"


if __name__ == "__main__":
    main()
