"""One model of the picker as it is configured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self, get_args
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ConfigDict, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from backends.errors import BadRequest
from backends.openai_compat import Address, Feature
from webchat.settings.engine import EngineFields, SamplingFields, listed, setting


def http_url(value: str) -> str:
    """The URL without a slash at its end. Raises `ValueError` for what is none, or has a password in it."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http(s) URL")
    if parts.username or parts.password:
        raise ValueError("a URL with a password in it")
    _ = parts.port  # raises ValueError where it is no port
    return value.rstrip("/")


def endpoint_url(value: str) -> str:
    """An endpoint's address; one of this machine or this network needs no `http://` in front. Raises
    `ValueError`."""
    try:
        scheme = Address.parse(value).scheme
    except BadRequest as error:
        raise ValueError(str(error)) from None
    value = value.strip()
    return http_url(value if "://" in value else f"{scheme}://{value.removeprefix('//')}")


def origin_of(value: str) -> str:
    """A URL that is an origin. Raises `ValueError`."""
    url = http_url(value)
    if urlsplit(url).path or urlsplit(url).query:
        raise ValueError("an origin has no path")
    return url


class ModelSettings(SamplingFields, EngineFields):
    """One model of the picker: where it comes from and its defaults. Frozen.

    kind: which backend serves it; by default an endpoint is `openai`, a `.gguf` file `llamacpp`, anything
    else `local`. The embedded demo model has `demo` set and no path yet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    name: str = setting(
        "", "The name in the picker (default: the model's own).", "a text up to 200 characters"
    )
    kind: str = setting(
        "",
        "The backend: openai, llamacpp, local, or an installed plugin's name. A plugin's model can have"
        " `model`, `system_prompt`, `pinned` and sampling defaults; other settings are refused.",
        "a backend's name",
    )
    endpoint: str | None = setting(
        None,
        "Base URL of an OpenAI-compatible server.",
        "an http(s) URL without a password in it, or host:port on this network",
    )
    model: str | None = setting(
        None,
        "Hub id, folder or .gguf file; with an endpoint the model's id there (default: all it lists).",
        "a text",
    )
    api_key: SecretStr | None = setting(None, "The endpoint's key.", "a text", flag=False)
    api_key_env: str | None = setting(
        None, "Name of the variable that holds the endpoint's key.", "a variable that is set"
    )
    system_prompt: str | None = setting(None, "System prompt of this model.", "a text")
    leave_out: Annotated[tuple[Feature, ...], NoDecode, BeforeValidator(listed)] = setting(
        (),
        "Features an endpoint is never sent; others it rejects are detected. Without `max_tokens`,"
        " `max_completion_tokens` is sent; without `system`, the system prompt precedes the first"
        " question; without `stream`, a reply arrives whole.",
        f"a list of {', '.join(get_args(Feature))}",
        flag=False,
    )
    demo: bool = setting(False, "The small embedded model.", flag=False)
    adapter: str | None = setting(None, "The model's LoRA adapter.", "a text", flag=False)
    pinned: bool = setting(
        False,
        "Never unload this model once it is loaded (default: any model may be unloaded, even that of"
        " new chats).",
        flag=False,
    )

    @field_validator("endpoint")
    @classmethod
    def _endpoint_is_url(cls, value: str | None) -> str | None:
        return endpoint_url(value) if value else None

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        filled = dict(data)
        model, endpoint = filled.get("model"), filled.get("endpoint")
        if not filled.get("kind"):
            filled["kind"] = kind_of(str(model or ""), str(endpoint or ""))
        if not filled.get("name"):
            filled["name"] = name_of(str(model or ""), str(endpoint or "")) or filled["kind"]
        return filled

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.name) > 200:
            raise ValueError("name is longer than 200 characters")
        if self.kind == "openai" and self.endpoint is None:
            raise ValueError("endpoint is missing: kind openai needs one")
        if self.kind in ("local", "llamacpp") and not (self.model or self.demo):
            raise ValueError("model or endpoint is missing: say which model this is")
        if self.kind not in BUILT_IN and (passed_over := sorted(self.model_fields_set - FOR_PLUGINS)):
            raise ValueError(
                f"{passed_over[0]} is for the kinds {', '.join(BUILT_IN)}:"
                " a plugin's backend receives only model"
            )
        check_engine(self, self.kind)
        return self


BUILT_IN = ("openai", "llamacpp", "local")
FOR_PLUGINS = frozenset({"name", "kind", "model", "system_prompt", "pinned", *SamplingFields.model_fields})
"""What a model of a plugin may have set: `model` goes to its backend, webchat itself heeds the others."""


def check_engine(engine: EngineFields, kind: str) -> None:
    """Refuse what contradicts itself, and what this kind of model would not heed. Raises ValueError."""
    asked = [name for name in ("load_in_8bit", "load_in_4bit") if getattr(engine, name)]
    if engine.quantization is not None:
        asked.append("quantization")
    if len(asked) > 1:
        raise ValueError(f"{asked[0]} and {asked[1]} exclude each other: choose one")
    if asked and kind == "llamacpp":
        raise ValueError(f"{asked[0]} is for transformers models: a GGUF is quantized as its file is")
    if engine.adapters and kind == "openai":
        raise ValueError("adapters are for a model in this process: an endpoint lists its own as models")


def kind_of(model: str, endpoint: str) -> str:
    """Which backend serves a model: `openai` an endpoint, `llamacpp` a .gguf file, `local` anything else."""
    if endpoint:
        return "openai"
    return "llamacpp" if model.lower().endswith(".gguf") else "local"


def name_of(model: str, endpoint: str) -> str:
    """What a model is called where nobody gave it a name."""
    if endpoint:
        return model or urlsplit(endpoint if "://" in endpoint else f"//{endpoint}").netloc
    return re.sub(r"\.gguf$", "", re.split(r"[/\\]", model.rstrip("/\\"))[-1], flags=re.IGNORECASE)[:200]
