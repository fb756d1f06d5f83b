"""Entry of a process that works for `bounded.Pool`: sets its limits, then answers line after line.

Run as a script: `python -I -S _apart.py MODULE MEMORY SECONDS FOLDER...` with the module whose `answer` takes
and gives JSON, the bytes of memory and the seconds one answer may take, and the folders it imports from.
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
    """End by itself, should nobody be there any more to kill it."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


def _limit(memory: int) -> None:
    """Take no more memory than that, write no file and no core. Where the system knows no such limits, being
    killed is the only one."""
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
