"""What drawing costs the page: the renderer's CPU until all is set, and the longest task of the page.

    python -m tests.benchmarks.drawing [--against FOLDER]

FOLDER holds the assets of another version (`git archive REF webchat/ui/assets`), measured in the same run
beside these.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests.browser import LAUNCH, PATIENCE
from tests.ui.asset_page import asset_server
from webchat.ui.static import ASSETS

REPLY = (
    "# Title\n\nSome **bold** text, `code`, a [link](https://e.org).\n\n- one\n- two\n\n"
    "```python\nx = 1\n```\n\n$x^2$\n\n"
)
TEXTS = {
    "a reply": REPLY * 3,
    "500 formulas": "".join(
        f"Where $x_{{{n}}}$ is\n\n$$\n\\sum_{{k=0}}^{{{n}}} a^k\n$$\n\n" for n in range(250)
    ),
    "4,000 notes": "".join(f"[^{n}]: note {n}\n" for n in range(4000)),
    "16,000 paragraphs": "a short one\n\n" * 16_000,
    "5,000 items": "- item **b** `c`\n" * 5000,
}

DRAW = """async ([text, size]) => {
  const tasks = [];
  const note = (list) => tasks.push(...list.getEntries().map(({ duration }) => duration));
  const observer = new PerformanceObserver(note);
  observer.observe({ type: "longtask" });
  if (size) {
    fresh();
    for (let at = 0; at < text.length; at += size) {
      view.append(text.slice(at, at + size));
      view.flush();
    }
    view.finish();
  } else whole(text);
  await settled();
  await new Promise((resolve) => setTimeout(resolve, 300));
  observer.disconnect();
  return Math.max(0, ...tasks);
}"""


def measure(browser: Browser, assets: Path) -> dict[str, tuple[float, float]]:
    """Of each text: milliseconds of CPU, and of the longest task (0 where none is over 50)."""
    found = {}
    with asset_server(assets) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.wait_for_function("window.ready")
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.evaluate(DRAW, [REPLY, 0])
        for name, text, size in [(name, text, 0) for name, text in TEXTS.items()] + [
            ("streamed", REPLY * 3, 4)
        ]:
            before = _busy(devtools)
            longest = page.evaluate(DRAW, [text, size])
            found[name] = (1000 * (_busy(devtools) - before), longest)
        page.close()
    return found


def _busy(devtools: Any) -> float:
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--against", type=Path)
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**LAUNCH)
        other = measure(browser, options.against) if options.against else {}
        for name, (cpu, longest) in measure(browser, ASSETS).items():
            line = f"{name:18} {cpu:7.0f} ms of CPU, longest task {longest:5.0f} ms"
            if other:
                line += (
                    f"; x{cpu / other[name][0]:.2f} of before, where the longest was {other[name][1]:.0f} ms"
                )
            print(line, flush=True)
        browser.close()


if __name__ == "__main__":
    main()
