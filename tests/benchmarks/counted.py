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
from collections import Counter
from collections.abc import Sequence, Set
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from webchat.__main__ import main

TRACED = 5
"""Objects of one type, the latest, whose holders are looked for."""

DEPTH = 5


def name_of(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def counted() -> dict[str, Any]:
    """`types`: live objects that the garbage collector knows, by type. `blocks`: of memory, of those that it
    does not know too."""
    gc.collect()
    gc.collect()
    return {
        "types": Counter(name_of(type(one)) for one in gc.get_objects()),
        "blocks": sys.getallocatedblocks(),
    }


def holders(names: Sequence[str]) -> dict[str, list[str]]:
    """For some objects of each type, the commonest chains of what holds them, and what holds that."""
    gc.unfreeze()  # what the server set aside when it started may hold them
    everything = gc.get_objects()
    chains = {name: [[one] for one in everything if name_of(type(one)) == name][-TRACED:] for name in names}
    found = [chain for some in chains.values() for chain in some]
    seen: set[int] = set()
    for _ in range(DEPTH):
        seen |= {id(chain[-1]) for chain in found}
        held_by = _held_by({id(chain[-1]) for chain in found}, everything, seen)
        found = [chain for chain in found if id(chain[-1]) in held_by]
        for chain in found:
            chain.append(held_by[id(chain[-1])])
    return {
        name: [
            f"{count} of {len(some)}: {chain}" for chain, count in Counter(map(_names, some)).most_common(3)
        ]
        for name, some in chains.items()
    }


def _held_by(ids: Set[int], everything: Sequence[object], but: Set[int]) -> dict[int, object]:
    """One holder of each object, found in one pass: `gc.get_referrers` would make a pass for each."""
    return {
        id(held): one
        for one in everything
        if id(one) not in but and not isinstance(one, FrameType)
        for held in gc.get_referents(one)
        if id(held) in ids
    }


def _names(chain: Sequence[object]) -> str:
    names = (one.__name__ if isinstance(one, ModuleType) else name_of(type(one)) for one in chain[1:])
    return " < ".join(names) or "nothing that the collector knows"


def _write(*_: object) -> None:
    folder = Path(os.environ["SOAK_FOLDER"])
    asked = folder / "traced.json"
    answer = holders(json.loads(asked.read_text())) if asked.exists() else counted()
    (folder / "counts.new").write_text(json.dumps(answer))
    (folder / "counts.new").rename(folder / "counts.json")


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _write)
    sys.exit(main())
