"""Whether llama.cpp takes a chat template: it has a template engine of its own, which knows less than jinja2
and is asked only when a model is loaded.

So the file is opened once more, in a process that may be killed, with hardly any memory: a window of 64
tokens, nothing on a GPU, weights that are mapped and never read.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from backends.errors import BackendError, BadChatTemplate
from backends.llamacpp.reading import Reader
from backends.types import Message

SECONDS = 60.0


async def check(path: Path, template: str, messages: Sequence[Message], *, seconds: float = SECONDS) -> None:
    """Raises `BadChatTemplate`. Of a file that is not here nothing is known."""
    if not await asyncio.to_thread(path.is_file):
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "backends.llamacpp.trial",
        stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    chat = [{"role": message.role, "content": message.text} for message in messages]
    asked = json.dumps({"path": str(path), "template": template, "messages": chat})
    try:
        out, _ = await asyncio.wait_for(process.communicate(asked.encode()), seconds)
        answer = json.loads(out.splitlines()[-1])
    except (TimeoutError, ValueError, IndexError):
        raise BadChatTemplate("llama.cpp does not come to an end with it") from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if answer["problem"] is not None:
        raise BadChatTemplate(answer["problem"])


def main() -> None:
    asked = json.loads(sys.stdin.buffer.read())
    print(json.dumps({"problem": _problem(**asked)}), flush=True)
    os._exit(0)  # the engine's threads need not end in order


def _problem(path: str, template: str, messages: list[dict[str, str]]) -> str | None:
    import xllamacpp

    params: Any = xllamacpp.CommonParams()
    params.model.path = path
    params.chat_template = template
    params.n_parallel = 1
    params.n_ctx = 64
    params.n_gpu_layers = 0
    params.warmup = False
    params.no_extra_bufts = True  # would copy the weights
    params.verbosity = -1
    params.ui = False
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [os.urandom(16).hex()]
    try:
        server: Any = xllamacpp.Server(params)
    except RuntimeError:
        return "llama.cpp has a template engine of its own, which cannot read this one"
    try:
        asyncio.run(Reader(server.listening_address, params.api_keys[0]).read({"messages": messages}))
    except BackendError as error:
        return error.message
    return None


if __name__ == "__main__":
    main()
