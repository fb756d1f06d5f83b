"""The baseline of the page benchmarks: a bare `gr.ChatInterface` over the same endpoint.

`python -m tests.benchmarks.bare_gradio --port 8200 --endpoint http://…/v1 --messages 100`. It stores nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr
import httpx


def build(endpoint: str, messages: int) -> gr.ChatInterface:
    """A chat whose page already holds `messages` messages of 80 words."""
    client = httpx.AsyncClient(timeout=600)
    history: list[Any] = [
        {"role": "user" if index % 2 == 0 else "assistant", "content": "lorem ipsum " * 40}
        for index in range(messages)
    ]

    async def answer(message: str, history: list[dict[str, Any]]) -> AsyncIterator[str]:
        body = {
            "model": "scripted",
            "stream": True,
            "messages": [{"role": one["role"], "content": str(one["content"])} for one in history]
            + [{"role": "user", "content": message}],
        }
        text = ""
        async with client.stream("POST", f"{endpoint}/chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    choices = json.loads(line[6:])["choices"]
                    if choices and (piece := choices[0]["delta"].get("content")):
                        text += piece
                        yield text

    chatbot = gr.Chatbot(value=history) if messages else None
    return gr.ChatInterface(answer, chatbot=chatbot, concurrency_limit=None)


def stream_event(demo: gr.ChatInterface) -> int:
    """The index of the event that streams the reply."""
    for index, block_fn in demo.fns.items():
        if block_fn.fn is not None and getattr(block_fn.fn, "__name__", "") == "_submit_fn":
            return int(index)
    raise RuntimeError("no streaming event in this Gradio")


def main() -> None:
    parser = argparse.ArgumentParser(description="a bare gr.ChatInterface")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--messages", type=int, default=0)
    args = parser.parse_args()
    demo = build(args.endpoint, args.messages)
    print("event", stream_event(demo), flush=True)
    demo.queue(max_size=None).launch(
        server_name="127.0.0.1", server_port=args.port, prevent_thread_lock=False, quiet=True
    )


if __name__ == "__main__":
    main()
