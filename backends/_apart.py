"""Entry point of a worker process of `bounded.Pool`: sets its limits, then answers requests line by line.

Run as a script: `python -I -S _apart.py MODULE MEMORY SECONDS FOLDER...`. MODULE has a function `answer` that
takes and returns JSON; MEMORY is in bytes; SECONDS is the limit per answer; FOLDERs are where it imports
from.
"""

from __future__ import annotations

import importlib
import json
import signal
import sys


def main() -> None:
    module, memory, seconds, *folders = sys.argv[1:]
    sys.path[:] = [*sys.path, *folders]
    answer = importlib.import_module(module).answer
    _limit(int(memory))
    told = b"null\n"  # it is ready
    while True:
        sys.stdout.buffer.write(told)
        sys.stdout.buffer.flush()
        if not (line := sys.stdin.buffer.readline()):
            return
        _alarm(int(seconds))
        told = json.dumps(answer(json.loads(line))).encode() + b"\n"
        _alarm(0)


def _alarm(seconds: int) -> None:
    """Exit on its own, in case the parent is gone and cannot kill it."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


def _limit(memory: int) -> None:
    """Limit memory, and forbid writing files or core dumps. On systems without such limits, being killed is
    the only one."""
    try:
        import resource
    except ImportError:
        return
    for name, most in (("RLIMIT_AS", memory), ("RLIMIT_CORE", 0), ("RLIMIT_FSIZE", 0)):
        try:
            resource.setrlimit(getattr(resource, name), (most, most))
        except (AttributeError, OSError, ValueError):
            continue


if __name__ == "__main__":
    main()
