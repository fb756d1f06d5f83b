"""Checks that llama.cpp survives a file: on unexpected content it aborts its process.

So an unknown file is first opened in another process, with very little memory: a context of 64 tokens,
nothing on a GPU, memory-mapped weights. A file that is merely rejected is rejected again, with an
explanation, when it is loaded.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from backends._machine import engine_threads

SECONDS = 600.0
"""Longest time: a large file has to come from its disk."""


def survives(path: Path, adapters: Sequence[Path]) -> bool:
    """Blocks. Also true if it takes too long: it has not crashed."""
    command = [sys.executable, "-m", "backends.llamacpp.trial", str(path), *map(str, adapters)]
    # Where it breaks, it would call a debugger first.
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "GGML_NO_BACKTRACE": "1"}
    try:
        done = subprocess.run(
            command,
            env=env,
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return done.returncode == 0
    except subprocess.TimeoutExpired:
        return True


def main(path: str, *adapters: str) -> None:
    import xllamacpp

    params: Any = xllamacpp.CommonParams()
    params.model.path = path
    params.chat_template = "{{ 1 }}"
    params.n_parallel = 1
    params.n_ctx = 64
    params.n_batch = params.n_ubatch = 16
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads, threads.poll = engine_threads(), 0
    params.cache_ram_mib = 0
    params.n_gpu_layers = 0
    params.no_extra_bufts = True  # would copy the weights
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(adapter, 1.0) for adapter in adapters]
    params.verbosity = -1
    params.ui = False
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [secrets.token_urlsafe(32)]
    kept = []
    with suppress(RuntimeError):
        kept.append(xllamacpp.Server(params))  # which also has it compute a token
    os._exit(0)  # while it is kept: its threads need not end in order


if __name__ == "__main__":
    main(*sys.argv[1:])
