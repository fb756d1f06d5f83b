"""The settings of a model: how it samples tokens and how it is loaded."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, FilePath, field_validator

from backends.markers.marks import marks_of
from backends.types import Sampling


def setting(default: object, about: str, allowed: str = "", *, flag: bool | str = True) -> Any:
    """A documented field. `allowed` describes the accepted values (by default, those of the field's type).

    flag: False for settings that must not be set on the command line (secrets, lists); a string is the name
    of the flag.
    """
    extra: dict[str, Any] = {"allowed": allowed, "flag": flag}
    if callable(default):
        return Field(default_factory=default, description=about, json_schema_extra=extra)
    return Field(default=default, description=about, json_schema_extra=extra)


def listed(value: object) -> object:
    """A list from a JSON array or comma-separated text, as variables and flags write it."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [part.strip() for part in value.split(",") if part.strip()]


Words = Annotated[tuple[str, ...], BeforeValidator(listed)]
Probability = Annotated[float, Field(ge=0, le=1)]

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^`|~-]+")
"""Of a header (RFC 9110, section 5.6.2), without the underscore, which proxies drop or take for a dash."""
_TAKEN = re.compile(
    r"(accept|content|sec|access-control|if|proxy)-.*|x-forwarded-(for|proto|host|port)|forwarded|accept|authorization"
    r"|connection|cookie|host|origin|range|referer|te|transfer-encoding|upgrade|user-agent|via",
    re.IGNORECASE,
)
"""Headers with a meaning of their own."""


def header_name(value: str) -> str:
    """The name of a header that has no meaning of its own. Raises `ValueError`."""
    if not _NAME.fullmatch(value) or _TAKEN.fullmatch(value):
        raise ValueError("not a header for this")
    return value


class SamplingFields(BaseModel):
    """Sampling defaults; `None` leaves the choice to the model."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = setting(
        None, "Sampling temperature; 0 is greedy.", "a number from 0 to 2"
    )
    top_p: Annotated[float, Field(gt=0, le=1)] | None = setting(
        None,
        "Nucleus sampling: keep the most likely tokens up to this total probability.",
        "a number above 0, up to 1",
    )
    top_k: Annotated[int, Field(ge=1)] | None = setting(
        None, "Keep only this many of the most likely tokens.", "a whole number from 1"
    )
    min_p: Probability | None = setting(
        None, "Drop tokens whose probability is below this fraction of the highest.", "a number from 0 to 1"
    )
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = setting(
        None, "Penalty for tokens that already occurred; 1 means none.", "a number above 0, up to 10"
    )
    max_tokens: Annotated[int, Field(ge=1)] | None = setting(
        None, "Maximum tokens per reply.", "a whole number from 1"
    )
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = setting(
        None, "Sampling seed, if the model supports one.", "a whole number from 0"
    )
    stop: Words = setting((), "Strings that end a reply.", 'a list of strings, ["a", "b"] or a,b')

    def sampling(self) -> Sampling:
        """These defaults as a backend's `Sampling`."""
        return Sampling(**{name: getattr(self, name) for name in SamplingFields.model_fields})


class EngineFields(BaseModel):
    """How a model is loaded; each backend uses the settings that apply to it."""

    revision: str | None = setting(None, "Branch, tag or commit of the hub model.", "a string")
    load_in_8bit: bool = setting(False, "Load a transformers model with 8-bit weights (needs a GPU).")
    load_in_4bit: bool = setting(False, "Load a transformers model with 4-bit weights (needs a GPU).")
    chat_template_file: FilePath | None = setting(
        None,
        "A Jinja chat template to use instead of the model's own; one saved on the page overrides it.",
        "a file that exists",
    )
    trust_remote_code: bool = setting(
        False, "Run code that comes with the model. Only for publishers you trust."
    )
    context_length: Annotated[int, Field(ge=64)] | None = setting(
        None,
        "Context window: tokens of prompt and reply together (default: the model's own).",
        "a whole number from 64",
    )
    threads: Annotated[int, Field(ge=1, le=1024)] | None = setting(
        None,
        "Threads of a model in this process (default: all cores but one).",
        "a whole number from 1",
    )
    slots: Annotated[int, Field(ge=1, le=256)] | None = setting(
        None,
        "Replies a model in this process writes at once; others wait in the queue (default: a GGUF 2, a"
        " transformers model 8 on a CPU and 32 on a GPU, a function 1, an async function 32).",
        "a whole number from 1 to 256",
    )
    cache_tokens: Annotated[int, Field(ge=1024)] | None = setting(
        None,
        "KV cache of a transformers model, in tokens of all conversations (default: a full context window"
        " per slot, as far as memory allows).",
        "a whole number from 1024",
    )
    adapters: Words = setting(
        (),
        "LoRA adapters of the model: folders or hub ids, or .gguf files for a GGUF. Each is listed as a"
        " model in the picker.",
        'a list of strings, ["a", "b"] or a,b',
    )
    quantization: Literal["none", "fp16", "int8", "nf4"] | None = setting(
        None,
        "Quantization of a transformers model's weights (default: chosen to preserve quality). int8 and nf4"
        " need an NVIDIA GPU.",
        "none, fp16, int8 or nf4",
    )
    device: Annotated[str, Field(pattern=r"^(cpu|mps|cuda(:\d+)?)$")] | None = setting(
        None, "Device a transformers model runs on (default: the best available).", "cpu, cuda, cuda:1 or mps"
    )
    dtype: Literal["float32", "float16", "bfloat16"] | None = setting(
        None,
        "Number format a transformers model computes in (default: chosen for the device).",
        "float32, float16 or bfloat16",
    )
    gpu_layers: Annotated[int, Field(ge=0, le=10_000)] | None = setting(
        None, "Layers of a GGUF model to offload to a GPU (default: as many as fit).", "a whole number from 0"
    )
    first_token_timeout: Annotated[float, Field(gt=0, le=86_400)] | None = setting(
        None,
        "Seconds an endpoint may take until its first token, including queueing and loading (default:"
        " 600). Ten times as long while it sends keep-alive comments or empty chunks.",
        "a number above 0, up to 86400",
    )
    next_token_timeout: Annotated[float, Field(gt=0, le=86_400)] | None = setting(
        None,
        "Seconds an endpoint may be silent between two tokens (default: 120). Ten times as long while"
        " it sends keep-alive comments or empty chunks.",
        "a number above 0, up to 86400",
    )

    routing_header: str | None = setting(
        None,
        "Header that tells an endpoint's router which requests belong to one conversation, such as"
        " `X-User-Id`, so that it keeps using one engine's prefix cache. It holds a keyed hash.",
        "the name of a header",
    )

    rewrites: bool = setting(
        False,
        "Hold a function's reply until the function ends, because what it yields replaces what it yielded"
        " before (default: its replies stream, and each yield must extend the last).",
    )

    reasoning_marks: Words = setting(
        (),
        "Tags around the reasoning of a model with uncommon tags; the common ones are built in.",
        'a list of strings, each an opening and a closing tag around three dots, ["<why>...</why>"]',
    )

    @field_validator("routing_header")
    @classmethod
    def _is_header(cls, value: str | None) -> str | None:
        return None if value is None else header_name(value)

    @field_validator("reasoning_marks")
    @classmethod
    def _are_marks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            marks_of(text)
        return value
