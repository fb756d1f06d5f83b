"""From the settings to the models: what each backend receives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr

from backends._text_file import NotText, read_text
from backends.base import Backend
from backends.llamacpp import Servers
from backends.local import Engines
from backends.markers.marks import marks_of
from backends.openai_compat import Address, Timeouts
from backends.options import (
    BackendOptions,
    EndpointOptions,
    FunctionOptions,
    LlamaCppOptions,
    LocalOptions,
)
from webchat.models.identity import HERE
from webchat.models.learned import FILE, LearnedFile
from webchat.models.specs import ModelSpec
from webchat.settings import BadSettings, ModelSettings, Settings, model_specs
from webchat.settings.model import name_of

Made = TypeVar("Made", bound=BackendOptions)


def configured(settings: Settings, shared: Shared | None = None) -> list[ModelSpec]:
    """The models in the picker, the default first. shared: with the models of an earlier call. Raises
    `BadSettings`."""
    shared = shared or Shared()
    return [spec_of(model, settings, shared) for model in model_specs(settings)]


def made_elsewhere(
    settings: Settings, backends: Mapping[str, Backend]
) -> tuple[list[ModelSpec], Callable[[ModelSpec], Backend]]:
    """Models made in Python, by name: their specs, and what finds the backend of each. They are never
    unloaded. Raises `BadSettings` if there is none."""
    if not backends:
        raise BadSettings("backend = {} is not valid; allowed: a backend, or at least one by its name.")
    specs = [
        ModelSpec(
            name=name,
            kind=backend.kind,
            system_prompt=settings.system_prompt,
            sampling=settings.sampling(),
            # Nobody's function expects to be asked for one, and visitors pay for ZeroGPU's seconds.
            titles=backend.kind not in ("function", "zerogpu"),
            pinned=True,
        )
        for name, backend in backends.items()
    ]
    return specs, lambda spec: backends[spec.name]


@dataclass(frozen=True, slots=True)
class Shared:
    """Where models in this process share what is loaded: adapters of one base, and the base itself."""

    engines: Engines = field(default_factory=Engines)
    servers: Servers = field(default_factory=Servers)


def spec_of(model: ModelSettings, settings: Settings, shared: Shared) -> ModelSpec:
    """A configured model in the form `Models` uses."""
    spec = ModelSpec(
        name=model.name,
        kind=model.kind,
        source=model.endpoint or model.function or model.model or "",
        system_prompt=model.system_prompt,
        sampling=model.sampling(),
        server=HERE + " ".join(filter(None, (model.kind, model.model or model.name, model.adapter))),
        label=model.name,
        pinned=model.pinned,
    )
    match model.kind:
        case "openai":
            return _at_endpoint(spec, model, LearnedFile(settings.data_dir / FILE))
        case "llamacpp":
            llama = _options(
                LlamaCppOptions,
                model,
                path=settings.demo_dir if model.demo else Path(model.model or "").expanduser(),
                name="",
                adapters=tuple(Path(adapter).expanduser() for adapter in model.adapters),
                adapter=None if model.adapter is None else Path(model.adapter).expanduser(),
                chat_template=_template(model),
                servers=shared.servers,
            )
            return replace(
                spec, kind="demo" if model.demo else spec.kind, titles=not model.demo, options=llama
            )
        case "local":
            local = _options(
                LocalOptions,
                model,
                source=model.model,
                chat_template=_template(model),
                token=_secret(settings.hf_token),
                engines=shared.engines,
            )
            return replace(spec, options=local)
        case "function":
            function = _options(FunctionOptions, model, name="")
            return replace(spec, titles=False, pinned=True, options=function)
        case _:
            return replace(spec, options={"model": model.model} if model.model else {})


def _at_endpoint(spec: ModelSpec, model: ModelSettings, learned: LearnedFile) -> ModelSpec:
    address = Address.parse(model.endpoint or "")
    options = _options(
        EndpointOptions,
        model,
        base_url=model.endpoint,
        api_key=_secret(model.api_key),
        timeouts=_timeouts(model),
        memory=learned,
    )
    return replace(
        spec,
        options=options,
        model=model.model or "",
        server=address.identity,
        label=_label(model, address),
        discover=model.model is None,
        remote=address.remote,
    )


def _options(kind: type[Made], model: ModelSettings, **made: Any) -> Made:
    """The options of a kind: settings of the same name, and those derived from others."""
    same = {one.name: getattr(model, one.name) for one in fields(kind) if hasattr(model, one.name)}
    return kind(**{**same, "marks": tuple(map(marks_of, model.reasoning_marks)), **made})


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def _timeouts(model: ModelSettings) -> Timeouts:
    usual = Timeouts()
    return Timeouts(
        first_token=model.first_token_timeout or usual.first_token,
        next_token=model.next_token_timeout or usual.next_token,
    )


def _label(model: ModelSettings, address: Address) -> str:
    """The public name of an endpoint: its given name, or its address if that is public."""
    given = model.name != name_of(model.model or "", model.endpoint or "")
    return model.name if given or address.remote else ""


def _template(model: ModelSettings) -> str | None:
    """Raises `BadSettings`."""
    path = model.chat_template_file
    try:
        return None if path is None else read_text(path)
    except OSError as error:
        raise BadSettings(f"{path} cannot be read: {error.strerror}.") from None
    except NotText as error:
        raise BadSettings(f"{path} {error}.") from None
