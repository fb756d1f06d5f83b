"""All benchmarks, one after the other: `python -m tests.benchmarks [NAME ...]`. Each is also a program of its
own, with flags. They measure and print ratios; nothing here can fail a build."""

from __future__ import annotations

import subprocess
import sys

NAMES = {
    "cost": "a streamed reply: server CPU and first token, short and long conversations",
    "crowd": "200 people at once",
    "server_cost": "CPU of the whole server per token and up to the first one, beside a bare reader",
    "drawing": "what drawing texts costs the page, and how long it is held",
    "pages": "opening the page: long conversations, many of them",
    "search": "the search at 100,000 messages",
    "moderation": "what moderation costs",
    "imports": "a large export: rate and memory, and what others notice meanwhile",
    "start": "start time and memory",
    "busy": "opening the page while the transformer engine writes",
    "engine": "the embedded model through the page against the engine alone",
}


def main() -> int:
    asked = sys.argv[1:] or list(NAMES)
    if unknown := [name for name in asked if name not in NAMES]:
        print(f"No benchmark {', '.join(unknown)}. There are: {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    for name in asked:
        print(f"== {name}: {NAMES[name]}\n", flush=True)
        subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}"], check=True)
        print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
