"""`python -m webchat` under the watchdog, without the rest of `--log-level debug`, which would cost the most:
`python -m tests.benchmarks.watched [FLAGS]`."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path

from webchat import watchdog
from webchat.__main__ import main


def holds(log: Path) -> str:
    """What the watchdog of a server that has stopped said was longest."""
    return "; ".join(re.findall(r"(?<=longest )hold of the .*", log.read_text())) or "no hold was noticed"


if __name__ == "__main__":
    watchdog.log.setLevel(logging.DEBUG)
    sys.exit(main())
