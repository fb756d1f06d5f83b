"""What Inspect gives to run elsewhere reads the very same prompt."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from backends.base import Backend
from backends.llamacpp import LlamaCppBackend
from backends.local import LocalBackend
from backends.options import LlamaCppOptions, LocalOptions
from backends.types import Message, Request, Sampling, Sent, TextDelta
from tests.backends.tiny_models import make_folder
from tests.llama_server import LlamaServer, llama_server
from webchat.store.records import Inspection, Provenance
from webchat.turns.inspecting.sent import inspection_of
from webchat.turns.inspecting.snippets import curl_of, python_of

__all__ = ["llama_server"]

ASKED = Request(
    (Message("system", 'It\'s "brief" \\ $HOME'), Message("user", "Hello\n\n你好 🎉 'there'")),
    Sampling(temperature=0.0, max_tokens=8),
    trace=True,
)


async def answered(backend: Backend) -> tuple[Inspection, str]:
    events = [event async for event in backend.stream(ASKED)]
    assert isinstance(events[0], Sent)
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    return inspection_of(events[0], ()), text


async def test_the_script_for_transformers_writes_the_same_reply(
    demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers")
    make_folder(demo_folder, tmp_path)
    backend = LocalBackend(
        LocalOptions(source=str(tmp_path), threads=1, quantization="none", dtype="float32")
    )
    try:
        sent, text = await answered(backend)
    finally:
        await backend.aclose()
    provenance = Provenance(backend="local", model_id=str(tmp_path), sampling=ASKED.sampling, seed=5)
    script = python_of(sent, provenance)
    assert script is not None
    assert curl_of(sent, provenance) is None
    capsys.readouterr()
    exec(script, {})
    assert capsys.readouterr().out.rstrip("\n").strip() == text.strip()


async def test_the_command_for_llama_server_gets_the_same_reply(
    demo_gguf: Path, llama_server: LlamaServer
) -> None:
    pytest.importorskip("xllamacpp")
    backend = LlamaCppBackend(LlamaCppOptions(known=True, path=demo_gguf, context_length=512))
    try:
        sent, text = await answered(backend)
    finally:
        await backend.aclose()
    command = curl_of(sent, Provenance(backend="llamacpp", sampling=ASKED.sampling, seed=5))
    assert command is not None
    here = command.replace("http://127.0.0.1:8080", llama_server.address).replace("curl ", "curl -s ", 1)
    run = await asyncio.to_thread(
        subprocess.run,
        ["/bin/sh", "-c", here],
        check=True,
        capture_output=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    told = json.loads(run.stdout)
    assert told["content"].strip() == text.strip()
    assert told["tokens_evaluated"] == len(sent.token_ids)
