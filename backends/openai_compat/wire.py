"""A request as the body of an OpenAI chat completion: pure functions.

Source: the API reference of OpenAI, and what vLLM, llama.cpp, SGLang, TGI, Ollama and OpenRouter take.
"""

from __future__ import annotations

import base64
from typing import Any

from backends.types import ImagePart, Message, NamedTool, Options, Request, Tool

SAMPLING_FIELDS = frozenset(
    {"temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed", "stop"}
)


def payload(request: Request, model: str, *, server: str) -> dict[str, Any]:
    """The complete body of a streamed completion, of a conversation or of a bare prompt; see `variants` for
    what can be left out.

    server: the serving software (`owned_by` in its list of models): repetition penalty and prefills differ.
    """
    sampling = request.sampling
    llama = server == "llamacpp"
    fields: dict[str, Any] = {
        "stream_options": {"include_usage": True},
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repeat_penalty" if llama else "repetition_penalty": sampling.repetition_penalty,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
        "logprobs": None if request.logprobs is None else True,
        "top_logprobs": request.logprobs,
    }
    if llama and sampling.seed is not None:
        # It keeps 32 bits of a seed, and takes the last number for none given. A prefix it remembers is
        # rounded differently from one it computes, so it would break the repeat.
        fields |= {"seed": sampling.seed % (2**32 - 1), "cache_prompt": False}
    if request.continue_final and not llama:
        # llama.cpp takes a last message of the assistant as the beginning.
        fields |= {"continue_final_message": True, "add_generation_prompt": False}
    body: dict[str, Any] = {"model": model, "stream": True}
    if request.options.bare_prompt:
        body["prompt"] = request.messages[-1].text
        fields |= {"logprobs": request.logprobs, "top_logprobs": None}
    else:
        body["messages"] = [_message(message) for message in request.messages]
        fields |= _options(request.options)
    return body | {key: value for key, value in fields.items() if value is not None}


def _message(message: Message) -> dict[str, Any]:
    said: dict[str, Any] = {"role": message.role, "content": _content(message)}
    if message.tool_calls:
        said["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        said["tool_call_id"] = message.tool_call_id
    return said


def _options(options: Options) -> dict[str, Any]:
    choice: Any = options.tool_choice
    if isinstance(choice, NamedTool):
        choice = {"type": "function", "function": {"name": choice.name}}
    return {
        "tools": [_tool(tool) for tool in options.tools] or None,
        "tool_choice": choice,
        "parallel_tool_calls": options.parallel_tool_calls,
        "response_format": _response_format(options),
    }


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {
        "type": "function",
        "function": function if tool.strict is None else {**function, "strict": tool.strict},
    }


def _response_format(options: Options) -> dict[str, Any] | None:
    wanted = options.response_format
    if wanted is None:
        return None
    if wanted.schema is None:
        return {"type": "json_object"}
    described = {"name": wanted.name, "description": wanted.description, "strict": wanted.strict}
    said = {key: value for key, value in described.items() if value not in (None, "")}
    return {"type": "json_schema", "json_schema": {**said, "schema": dict(wanted.schema)}}


def _content(message: Message) -> str | list[dict[str, Any]]:
    if isinstance(message.content, str):
        return message.content
    parts: list[dict[str, Any]] = []
    for part in message.content:
        if isinstance(part, ImagePart):
            data = base64.b64encode(part.data).decode("ascii")
            url = f"data:{part.media_type};base64,{data}"
            parts.append({"type": "image_url", "image_url": {"url": url}})
        else:
            parts.append({"type": "text", "text": part.text})
    return parts
