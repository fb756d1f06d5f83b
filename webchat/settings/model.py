"""The configuration of one model in the picker."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, SecretStr, model_validator

from backends.errors import BadRequest
from backends.openai_compat import Address, Feature
from backends.providers import provider_at, provider_named
from webchat.settings.engine import EngineFields, SamplingFields, listed, setting


def http_url(value: str) -> str:
    """The URL without a trailing slash. Raises `ValueError` if it is not an http(s) URL or holds a
    password."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http(s) URL")
    if parts.username or parts.password:
        raise ValueError("a URL with a password in it")
    _ = parts.port  # raises ValueError where it is no port
    return value.rstrip("/")


def endpoint_url(value: str | None) -> str | None:
    """An endpoint's address, also by a provider's name; one on this machine or network needs no `http://`.
    Raises `ValueError`."""
    if not value:
        return None
    if (provider := provider_named(value)) is not None:
        return provider.url
    try:
        scheme = Address.parse(value).scheme
    except BadRequest as error:
        raise ValueError(str(error)) from None
    value = value.strip()
    return http_url(value if "://" in value else f"{scheme}://{value.removeprefix('//')}")


ENDPOINTS = (
    "an http(s) URL without a password in it, host:port on this network, or a provider's name such as"
    " ollama or openrouter"
)

Endpoint = Annotated[str | None, AfterValidator(endpoint_url)]


def function_name(value: str | None) -> str | None:
    """Raises `ValueError` unless it is `module:function`."""
    if not value:
        return None
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*", value) or ".py:" in value:
        raise ValueError("not a function's name")
    return value


Function = Annotated[str | None, AfterValidator(function_name)]


def origin_of(value: str) -> str:
    """The URL, if it is an origin. Raises `ValueError`."""
    url = http_url(value)
    if urlsplit(url).path or urlsplit(url).query:
        raise ValueError("an origin has no path")
    return url


class ModelSettings(SamplingFields, EngineFields):
    """One model in the picker: its source and its defaults. Frozen.

    kind: the backend; by default `openai` for an endpoint, `function` for a function, `llamacpp` for a
    `.gguf` file and `local` for anything else. The embedded demo model has `demo` set and no path yet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    name: str = setting("", "Name in the picker (default: the model's own).", "up to 200 characters")
    kind: str = setting(
        "",
        "The backend: openai, function, llamacpp, local, or an installed plugin's name. A plugin's model"
        " accepts only `model`, `system_prompt`, `pinned` and sampling defaults.",
        "a backend's name",
    )
    endpoint: Endpoint = setting(
        None,
        "Base URL of an OpenAI-compatible server, or a provider's name.",
        ENDPOINTS,
    )
    model: str | None = setting(
        None,
        "Hub id, folder or .gguf file; with an endpoint, the model's id there (default: all it lists).",
        "a string",
    )
    function: Function = setting(
        None,
        "A Python function that answers, imported from the current folder.",
        "module:function, such as app:respond",
    )
    api_key: SecretStr | None = setting(None, "The endpoint's key.", "a string", flag=False)
    api_key_env: str | None = setting(
        None, "Environment variable that holds the endpoint's key.", "a variable that is set"
    )
    system_prompt: str | None = setting(None, "System prompt of this model.", "a string")
    leave_out: Annotated[tuple[Feature, ...], BeforeValidator(listed)] = setting(
        (),
        "Features never sent to the endpoint; others that it rejects are detected. Without `max_tokens`,"
        " `max_completion_tokens` is sent; without `system`, the system prompt is put before the first"
        " question; without `stream`, the reply arrives in one piece.",
        f"a list of {', '.join(get_args(Feature))}",
        flag=False,
    )
    demo: bool = setting(False, "The small embedded model.", flag=False)
    adapter: str | None = setting(None, "The model's LoRA adapter.", "a string", flag=False)
    pinned: bool = setting(
        False,
        "Never unload this model once it is loaded (default: any model may be unloaded, even that of"
        " new chats).",
        flag=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        filled = dict(data)
        model, endpoint, function = (
            str(filled.get(name) or "") for name in ("model", "endpoint", "function")
        )
        if not filled.get("kind"):
            filled["kind"] = kind_of(model, endpoint, function)
        provider = provider_named(endpoint) or provider_at(endpoint)
        if provider is not None and provider.leave_out:
            filled.setdefault("leave_out", provider.leave_out)
        if not filled.get("name"):
            filled["name"] = name_of(model, endpoint) or function.rpartition(":")[2] or filled["kind"]
        return filled

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.name) > 200:
            raise ValueError("name is longer than 200 characters")
        if self.kind == "openai" and self.endpoint is None:
            raise ValueError("endpoint is missing: kind openai needs one")
        if self.kind == "function" and (self.function is None or self.model or self.endpoint):
            raise ValueError("kind function needs function, and neither model nor endpoint")
        if self.kind in ("local", "llamacpp") and not (self.model or self.demo):
            raise ValueError("model or endpoint is missing: say which model this is")
        if self.kind not in BUILT_IN and (passed_over := sorted(self.model_fields_set - FOR_PLUGINS)):
            raise ValueError(
                f"{passed_over[0]} is for the kinds {', '.join(BUILT_IN)}:"
                " a plugin's backend receives only model"
            )
        check_engine(self, self.kind)
        return self


BUILT_IN = ("openai", "function", "llamacpp", "local")
FOR_PLUGINS = frozenset({"name", "kind", "model", "system_prompt", "pinned", *SamplingFields.model_fields})
"""Settings that a plugin's model may have: its backend receives `model`; webchat itself applies the
others."""


def check_engine(engine: EngineFields, kind: str) -> None:
    """Reject settings that contradict each other or do not apply to this kind of model. Raises ValueError."""
    asked = [name for name in ("load_in_8bit", "load_in_4bit") if getattr(engine, name)]
    if engine.quantization is not None:
        asked.append("quantization")
    if len(asked) > 1:
        raise ValueError(f"{asked[0]} and {asked[1]} are mutually exclusive: choose one")
    if asked and kind == "llamacpp":
        raise ValueError(f"{asked[0]} is for transformers models: a GGUF file has a fixed quantization")
    if engine.adapters and kind in ("openai", "function"):
        raise ValueError("adapters are for a model in this process: an endpoint lists its own as models")
    if engine.rewrites and kind not in ("function", ""):
        raise ValueError("rewrites is for a function: models only add to their replies")


def kind_of(model: str, endpoint: str, function: str = "") -> str:
    """The backend of a model: `openai` for an endpoint, `function` for a function, `llamacpp` for a .gguf
    file, else `local`."""
    if endpoint:
        return "openai"
    if function:
        return "function"
    return "llamacpp" if model.lower().endswith(".gguf") else "local"


def name_of(model: str, endpoint: str) -> str:
    """The default name of a model."""
    if endpoint:
        return model or urlsplit(endpoint if "://" in endpoint else f"//{endpoint}").netloc
    return re.sub(r"\.gguf$", "", re.split(r"[/\\]", model.rstrip("/\\"))[-1], flags=re.IGNORECASE)[:200]
