"""The same request outside of webchat: a curl command, a Python script. No key is in either."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from urllib.parse import parse_qsl

from pydantic import JsonValue

from backends.types import Sampling
from webchat.store.records import Inspection, Provenance

_LLAMA = "http://127.0.0.1:8080/completion"
"""Where `llama-server` listens unless told otherwise."""

_LLAMA_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
    "max_tokens": "n_predict",
}
_GENERATE_NAMES = {
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repetition_penalty",
    "max_tokens": "max_new_tokens",
}
_OPENAI_CLIENT = frozenset(
    {
        "model",
        "messages",
        "prompt",
        "stream",
        "stream_options",
        "temperature",
        "top_p",
        "max_tokens",
        "max_completion_tokens",
        "seed",
        "stop",
        "logprobs",
        "top_logprobs",
    }
)
"""What the client takes by name; the rest is its `extra_body`."""


def curl_of(sent: Inspection, provenance: Provenance) -> str | None:
    """A command for a POSIX shell."""
    if sent.body is not None and sent.url is not None:
        return _curl(sent.url, sent.body, key=True)
    if sent.rendered is not None and provenance.backend in ("llamacpp", "demo"):
        return _curl(_LLAMA, _completion(sent, provenance), key=False)
    return None


def python_of(sent: Inspection, provenance: Provenance) -> str | None:
    if sent.body is not None and sent.url is not None:
        return _openai_script(sent.url, sent.body)
    if sent.rendered is not None and provenance.backend == "local":
        return _transformers_script(sent.rendered, provenance)
    return None


def _curl(url: str, body: Mapping[str, JsonValue], *, key: bool) -> str:
    # Escaped JSON is ASCII: no shell, locale or terminal makes other bytes of it.
    lines = [f"curl {shlex.quote(url)}", "-H 'Content-Type: application/json'"]
    if key:
        lines.append('-H "Authorization: Bearer $OPENAI_API_KEY"')
    lines.append(f"--data-binary {shlex.quote(json.dumps(body))}")
    return " \\\n  ".join(lines)


def _completion(sent: Inspection, provenance: Provenance) -> dict[str, JsonValue]:
    """For llama-server, which takes tokens as well as text: with tokens nothing is added in front."""
    sampling = provenance.sampling
    body: dict[str, JsonValue] = {"prompt": list(sent.token_ids)}
    for ours, theirs in _LLAMA_NAMES.items():
        if (value := getattr(sampling, ours)) is not None:
            body[theirs] = value
    if provenance.seed is not None:
        body["seed"] = provenance.seed % (2**32 - 1)
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    return body


def _openai_script(url: str, body: Mapping[str, JsonValue]) -> str:
    named = {name: value for name, value in body.items() if name in _OPENAI_CLIENT}
    extra = {name: value for name, value in body.items() if name not in _OPENAI_CLIENT}
    if extra:
        named["extra_body"] = extra
    arguments = "".join(f"    {name}={_literal(value)},\n" for name, value in named.items())
    path, _, query = url.partition("?")
    of, said = ("completions", "text") if "prompt" in body else ("chat.completions", "delta.content")
    base = path.removesuffix(f"/{of.replace('.', '/')}")
    behind = f", default_query={dict(parse_qsl(query))!r}" if query else ""
    return (
        "import os\n\nfrom openai import OpenAI\n\n"
        f'client = OpenAI(base_url={base!r}, api_key=os.environ.get("OPENAI_API_KEY", "none"){behind})\n'
        f"stream = client.{of}.create(\n{arguments})\n"
        "for chunk in stream:\n"
        "    if chunk.choices:\n"
        f'        print(chunk.choices[0].{said} or "", end="", flush=True)\n'
    )


def _transformers_script(rendered: str, provenance: Provenance) -> str:
    source, revision = provenance.model_id or provenance.model or "", provenance.revision
    pinned = "" if revision is None else f", revision={revision!r}"
    seed = "" if provenance.seed is None else f"torch.manual_seed({provenance.seed})\n"
    options = "".join(f", {name}={value!r}" for name, value in _generating(provenance.sampling).items())
    return (
        "import torch\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f"model = AutoModelForCausalLM.from_pretrained({source!r}{pinned})\n"
        f"tokenizer = AutoTokenizer.from_pretrained({source!r}{pinned})\n"
        f"prompt = {_literal(rendered)}\n\n"
        f"{seed}"
        'inputs = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")\n'
        f"output = model.generate(**inputs{options})\n"
        'print(tokenizer.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))\n'
    )


def _generating(sampling: Sampling) -> dict[str, JsonValue]:
    """Sampling as `generate` takes it."""
    options: dict[str, JsonValue] = {}
    if sampling.temperature is not None:
        options["do_sample"] = sampling.temperature > 0
        if sampling.temperature > 0:
            options["temperature"] = sampling.temperature
    for ours, theirs in _GENERATE_NAMES.items():
        if (value := getattr(sampling, ours)) is not None:
            options[theirs] = value
    return options


def _literal(value: JsonValue) -> str:
    """A value in Python; a long text one line after another."""
    if isinstance(value, str) and "\n" in value:
        return "(\n" + "".join(f"    {line!r}\n" for line in value.splitlines(keepends=True)) + ")"
    return repr(value)
