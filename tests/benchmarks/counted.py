"""`python -m webchat` that counts its live objects when it is asked to.

    python -m tests.benchmarks.counted [FLAGS]

SIGUSR1 makes it write `counts.json` into the folder of the variable `SOAK_FOLDER`; `traced.json` there names
types of which it also tells what holds them.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from webchat.__main__ import main

MOST_TRACED = 60
"""Objects of one type, the latest, whose holders are looked for."""

DEPTH = 5


def name_of(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def counted(traced: Sequence[str] = ()) -> dict[str, Any]:
    """`types`: live objects that the garbage collector knows, by type. `blocks`: of memory, of those that it
    does not know too. `holders`: of the types asked for, the commonest chains of what holds them."""
    if traced:
        gc.unfreeze()  # what the server set aside when it started may hold them
    gc.collect()
    gc.collect()
    everything = gc.get_objects()
    kinds = [name_of(type(one)) for one in everything]
    holders = {
        name: _holders([one for one, kind in zip(everything, kinds, strict=True) if kind == name], everything)
        for name in traced
    }
    del everything
    return {
        "types": Counter(kinds),
        "blocks": sys.getallocatedblocks(),
        "threads": Counter(one.name.rstrip("0123456789-_") for one in threading.enumerate()),
        "holders": holders,
    }


def _holders(found: list[Any], everything: list[Any]) -> list[str]:
    chains = Counter(_chain(one, [found, everything]) for one in found[-MOST_TRACED:])
    return [f"{count} of {min(len(found), MOST_TRACED)}: {chain}" for chain, count in chains.most_common(3)]


def _chain(one: Any, ours: list[Any]) -> str:
    """What holds an object, and what holds that, as far as `DEPTH`."""
    names = []
    for _ in range(DEPTH):
        ignored = {id(held) for held in ours}
        referrers = [
            held
            for held in gc.get_referrers(one)
            if id(held) not in ignored and not isinstance(held, FrameType) and held is not ours
        ]
        if not referrers:
            break
        ours = [*ours, referrers]
        one = referrers[0]
        names.append(one.__name__ if isinstance(one, ModuleType) else name_of(type(one)))
    return " < ".join(names) or "nothing that the collector knows"


def _write(*_: object) -> None:
    folder = Path(os.environ["SOAK_FOLDER"])
    asked = folder / "traced.json"
    text = json.dumps(counted(json.loads(asked.read_text()) if asked.exists() else ()))
    (folder / "counts.new").write_text(text)
    (folder / "counts.new").rename(folder / "counts.json")


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _write)
    sys.exit(main())
