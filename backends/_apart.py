"""Entry point of a worker process of `bounded.Pool`: sets its limits, then answers requests line by line.

Run as a script: `python -I -S _apart.py MODULE MEMORY SECONDS PATIENCE FOLDER...`. MODULE has a function
`answer` that takes and returns JSON; MEMORY is in bytes; an answer may take SECONDS of processor time, and
PATIENCE seconds in all; FOLDERs are where it imports from.
"""

from __future__ import annotations

import importlib
import json
import signal
import sys


def main() -> None:
    module, memory, seconds, patience, *folders = sys.argv[1:]
    sys.path[:] = [*sys.path, *folders]
    answer = importlib.import_module(module).answer
    _limit(int(memory))
    told = b"null\n"  # it is ready
    while True:
        sys.stdout.buffer.write(told)
        sys.stdout.buffer.flush()
        if not (line := sys.stdin.buffer.readline()):
            return
        _end_after(float(seconds), int(patience))
        told = json.dumps(answer(json.loads(line))).encode() + b"\n"
        _end_after(0, 0)


def _end_after(seconds: float, patience: int) -> None:
    """Be killed by the system after that much processor time, and after that much time, as the parent may be
    gone."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.alarm(patience)


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
