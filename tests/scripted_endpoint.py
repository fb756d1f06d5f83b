"""A deterministic OpenAI-compatible endpoint on a raw asyncio socket, cheap enough to share the cores.

The last user message steers it: `words=600 rate=20 delay=0.5` answers `w0 w1 … w599` at 20 words a
second after half a second (rate=0: as fast as it can); `text=<percent-encoded>` answers that text in
pieces of three characters; `breaks=3` loses the connection after three words; `status=429` answers with that
status, `retry_after=30` says when to come back; `hold=9` waits after nine pieces until `go_on` is set.
Anything else gets `words=12 rate=0`.
`flags` maps a word to the category that `/moderations` finds in an input with it; `moderated` is what it was
asked. `answers` maps a whole message to such a script, for messages that have to read like a person's.
`models` are the ids it lists, after `listing` seconds.

Run alone: `python -m tests.scripted_endpoint --port 8123`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote


@dataclass
class Call:
    """One chat completion as the endpoint saw it."""

    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int = 0
    finished: bool = False
    closed_early: asyncio.Event = field(default_factory=asyncio.Event)


class ScriptedEndpoint:
    """`async with ScriptedEndpoint() as endpoint:` serves until the block ends; `calls` is its record."""

    def __init__(
        self,
        port: int = 0,
        answers: Mapping[str, str] | None = None,
        flags: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        self.answers = dict(answers or {})
        self.flags = dict(flags or {})
        self.models = ["scripted"]
        self.listing = 0.0
        self.moderated: list[str] = []
        self.calls: list[Call] = []
        self.go_on = asyncio.Event()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> ScriptedEndpoint:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (head := await _head(reader)) is not None:
                path, headers, length = head
                body = await reader.readexactly(length) if length else b""
                if path.endswith("/chat/completions"):
                    await self._complete(Call(json.loads(body), headers), reader, writer)
                    if writer.is_closing():
                        return
                elif path.endswith("/moderations"):
                    await _respond(writer, 200, self._judged(json.loads(body)["input"]))
                elif path.endswith("/models"):
                    await asyncio.sleep(self.listing)
                    data = [{"id": model, "object": "model"} for model in self.models]
                    await _respond(writer, 200, {"object": "list", "data": data})
                else:
                    await _respond(writer, 404, {"error": {"message": "no such route"}})
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _judged(self, text: str) -> dict[str, Any]:
        self.moderated.append(text)
        found = {category: word in text for word, category in self.flags.items()}
        scores = {category: 0.9 if yes else 0.1 for category, yes in found.items()}
        result = {"flagged": any(found.values()), "categories": found, "category_scores": scores}
        return {"id": "m", "model": "scripted", "results": [result]}

    async def _complete(self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = call.body
        self.calls.append(call)
        script = str(body["messages"][-1]["content"])
        script = self.answers.get(script, script)
        if status := _number(script, "status"):
            after = _number(script, "retry_after")
            await _respond(
                writer,
                int(status),
                {"error": {"message": f"scripted status {int(status)}"}},
                retry_after=after,
            )
            call.finished = True
            return
        pieces = _pieces(script)
        if not body.get("stream"):
            message = {"role": "assistant", "content": "".join(pieces)}
            await _respond(
                writer, 200, {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
            )
            call.finished = True
            return
        await self._stream(call, pieces, script, reader, writer)

    async def _stream(
        self,
        call: Call,
        pieces: list[str],
        script: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        rate, breaks = _number(script, "rate") or 0.0, _number(script, "breaks")
        hold = _number(script, "hold")
        # A client that reads a stream sends nothing more: the first byte or end of file means it has gone.
        gone = asyncio.create_task(reader.read(1))
        loop = asyncio.get_running_loop()
        start = loop.time() + (_number(script, "delay") or 0.0)
        try:
            for index, piece in enumerate(pieces):
                due = start + index / rate if rate else start
                if due > loop.time():
                    await asyncio.wait({gone}, timeout=due - loop.time())
                if index == hold:
                    await self._held(gone)
                if gone.done() or index == breaks:
                    writer.transport.abort()
                    raise ConnectionResetError
                _chunk(writer, _delta({"content": piece}))
                call.sent += 1
                if not rate and index % 50 == 49:
                    await writer.drain()
            _chunk(writer, _delta({}, finish="stop"))
            usage = {"prompt_tokens": 7, "completion_tokens": len(pieces), "total_tokens": 7 + len(pieces)}
            _chunk(writer, json.dumps({"choices": [], "usage": usage}))
            _chunk(writer, "[DONE]")
            writer.write(b"0\r\n\r\n")
            await writer.drain()
            call.finished = True
            writer.close()
        except ConnectionError:
            call.closed_early.set()
            raise
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)

    async def _held(self, gone: asyncio.Task[bytes]) -> None:
        going = asyncio.create_task(self.go_on.wait())
        await asyncio.wait({gone, going}, return_when=asyncio.FIRST_COMPLETED)
        going.cancel()


async def _head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], int] | None:
    """Path, headers with their names in lower case, and the length of the body."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    lines = (line.partition(":") for line in head.split("\r\n")[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in lines}
    return head.split(" ", 2)[1].split("?")[0], headers, int(headers.get("content-length", 0))


async def _respond(
    writer: asyncio.StreamWriter, status: int, value: object, retry_after: float | None = None
) -> None:
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    if retry_after is not None:
        head += f"Retry-After: {retry_after:.0f}\r\n"
    writer.write(head.encode() + b"\r\n" + body)
    await writer.drain()


def _chunk(writer: asyncio.StreamWriter, data: str) -> None:
    line = f"data: {data}\n\n".encode()
    writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")


def _delta(delta: dict[str, str], finish: str | None = None) -> str:
    return json.dumps(
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "model": "scripted",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
    )


def _number(script: str, name: str) -> float | None:
    found = re.search(rf"\b{name}=([0-9.]+)", script)
    return float(found.group(1)) if found else None


def _pieces(script: str) -> list[str]:
    if found := re.search(r"\btext=(\S+)", script):
        text = unquote(found.group(1))
        return [text[at : at + 3] for at in range(0, len(text), 3)]
    return [f"w{index} " for index in range(int(_number(script, "words") or 12))]


async def _run(port: int) -> None:
    async with ScriptedEndpoint(port) as endpoint:
        print(endpoint.url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="a deterministic OpenAI-compatible endpoint")
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(_run(parser.parse_args().port))


if __name__ == "__main__":
    main()
