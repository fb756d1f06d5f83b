"""The models a server offers: the list, the shortcut flags, or the embedded demo."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from itertools import chain, count
from pathlib import Path
from typing import Any

from backends.errors import BackendError
from backends.installation import add_extra
from webchat.settings.engine import EngineFields, SamplingFields
from webchat.settings.fields import Settings
from webchat.settings.load import BadSettings
from webchat.settings.model import ModelSettings, name_of
from webchat.settings.places import wrong_place

DEMO_NAME = "SmolLM2-135M-Instruct"
DEMO_SAMPLING: Mapping[str, Any] = {"temperature": 0.0, "max_tokens": 512}
"""Sampling that suits the demo model: with random sampling it names the capital of France in only two of
three replies and may never stop; greedy decoding answers correctly."""


def installed(package: str) -> bool:
    """Whether a package can be imported, without importing it."""
    return find_spec(package) is not None


def model_specs(settings: Settings, *, has: Callable[[str], bool] = installed) -> tuple[ModelSettings, ...]:
    """The models in the picker, the default first, each with the server's defaults filled in.

    The shortcut settings (`model`, `endpoint`, ...) define one model ahead of the list `models`. If nothing
    is configured, it is the embedded demo model, provided the `llamacpp` extra is installed. Last come the
    models and adapters that were trained here. Raises BadSettings if there is no model.
    """
    bases = [*_shortcut(settings), *settings.models]
    if not bases and has("xllamacpp"):
        bases = [ModelSettings(name=DEMO_NAME, kind="llamacpp", demo=True, **_engine(settings))]
    if has("torch"):
        bases = _with_trained(bases, settings)
    specs = [made for spec in bases for made in _with_adapters(spec)]
    if not specs:
        raise BadSettings(
            "No model is configured: give --endpoint URL or --model FILE_OR_ID, look for servers on this"
            f" machine with webchat --discover, or add the embedded one with: {add_extra('llamacpp')}"
        )
    specs = [_with_defaults(spec, settings) for spec in specs]
    names = [spec.name for spec in specs]
    if settings.default_model is not None:
        # A name that is not listed may still be a model an endpoint lists once it is asked.
        specs.sort(key=lambda spec: spec.name != settings.default_model)
        if settings.default_model not in names and all(spec.model for spec in specs if spec.endpoint):
            raise BadSettings(
                f'default_model = "{settings.default_model}" is not valid; allowed: {", ".join(names)}.'
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadSettings(f'Two models are named "{twice}": give each a unique name.')
    return tuple(specs)


NEEDED = {"local": ("torch", "transformers"), "llamacpp": ("xllamacpp",)}
"""The packages each kind of model needs; the extra that installs them has the name of the kind."""


def check_models(specs: Sequence[ModelSettings], *, has: Callable[[str], bool] = installed) -> None:
    """Check that each model and the packages it needs exist, before anything is loaded. Raises
    BadSettings."""
    for spec in specs:
        if wrong := wrong_place(spec):
            raise BadSettings(f"The model {spec.name}: {wrong}")
        missing = [package for package in NEEDED.get(spec.kind, ()) if not has(package)]
        if missing:
            taken = f" (taken as a hub id, since there is no folder {spec.model})" if _from_hub(spec) else ""
            raise BadSettings(
                f"The model {spec.name}{taken} needs {' and '.join(missing)}, which this Python lacks."
                f" Install with: {add_extra(spec.kind)} (or give --endpoint URL)."
            )


def _from_hub(spec: ModelSettings) -> bool:
    return spec.kind == "local" and not Path(spec.model or "").expanduser().exists()


def _shortcut(settings: Settings) -> list[ModelSettings]:
    if settings.function:
        return [ModelSettings(function=settings.function, **_engine(settings))]
    if not settings.model and not settings.endpoint:
        return []
    key = settings.api_key if settings.endpoint else None
    return [ModelSettings(model=settings.model, endpoint=settings.endpoint, api_key=key, **_engine(settings))]


def _with_adapters(spec: ModelSettings) -> list[ModelSettings]:
    """A model and its adapters, each as a model of its own; an adapter in a folder comes before its base
    model."""
    if spec.kind not in ("local", "llamacpp") or spec.adapter is not None:
        return [spec]
    base = _base_of(spec.model or "") if spec.kind == "local" else ""
    if base:
        below = spec.model_copy(update={"model": base, "name": name_of(base, "")})
        spec = below.model_copy(update={"adapter": spec.model, "name": spec.name})
        return [spec, *_with_adapters(below)]
    names = [f"{spec.name} + {name}" for name in _adapter_names(spec.adapters)]
    return [
        spec,
        *(
            spec.model_copy(update={"adapter": adapter, "name": name})
            for adapter, name in zip(spec.adapters, names, strict=True)
        ),
    ]


def _files(folder: Path, name: str) -> list[Path]:
    """Those of this name, one folder down; none in a folder that can't be read, as is said later."""
    try:
        return sorted(folder.glob(f"[!.]*/{name}"))
    except OSError:
        return []


def _with_trained(specs: Sequence[ModelSettings], settings: Settings) -> list[ModelSettings]:
    """Models that `webchat finetune` made, and its adapters, each with its base model as long as that is
    there."""
    made = list(specs)
    for file in _files(settings.trained_dir, "config.json"):
        name = _unlike(file.parent.name, {spec.name for spec in made})
        if not any(_same(spec.model, str(file.parent)) for spec in made):
            made.append(ModelSettings(name=name, kind="local", model=str(file.parent), **_engine(settings)))
    found: dict[str, list[str]] = {}
    for file in _files(settings.adapters_dir, "adapter_config.json"):
        base = _base_of(str(file.parent))
        if base and (Path(base).is_dir() or not Path(base).is_absolute()):
            found.setdefault(base, []).append(str(file.parent))
    for base, adapters in found.items():
        mine = (at for at, spec in enumerate(made) if spec.kind == "local" and _same(spec.model, base))
        at = next(mine, None)
        if at is not None:
            made[at] = made[at].model_copy(update={"adapters": (*made[at].adapters, *adapters)})
            continue
        engine = _engine(settings) | {"adapters": tuple(adapters)}
        name = _unlike(name_of(base, ""), {spec.name for spec in made})
        made.append(ModelSettings(name=name, kind="local", model=base, **engine))
    return made


def _same(model: str | None, base: str) -> bool:
    """Whether both name one model: a hub id, or a folder however it is written."""
    if model == base:
        return True
    same_place = model is not None and Path(model).expanduser().resolve() == Path(base).resolve()
    return same_place and Path(base).is_dir()


def _unlike(name: str, taken: set[str]) -> str:
    """A name that is not taken: that of a folder may be, or that of the embedded model."""
    numbers = (f"{name} (transformers {number})" for number in count(2))
    return next(one for one in chain([name, f"{name} (transformers)"], numbers) if one not in taken)


def _adapter_names(adapters: Sequence[str]) -> list[str]:
    """The name of each adapter: its folder or file, preceded by the parent folder if two have the same name
    (as two runs each have a `checkpoint-100`)."""
    parts = [re.split(r"[/\\]", adapter.rstrip("/\\")) for adapter in adapters]
    short = [name_of(adapter, "") for adapter in adapters]
    return [
        name if short.count(name) == 1 else "/".join([*path[:-1][-1:], name])
        for name, path in zip(short, parts, strict=True)
    ]


def _base_of(model: str) -> str:
    """The base model of a LoRA adapter in a folder; empty if there is none."""
    if not Path(model).expanduser().is_dir():
        return ""
    from backends.local.loading.sources import base_of

    try:
        base = base_of(model, revision=None, token=None)
    except BackendError:
        return ""  # told when it is loaded
    return "" if base is None else base.source


def _engine(settings: Settings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in EngineFields.model_fields}


def _with_defaults(spec: ModelSettings, settings: Settings) -> ModelSettings:
    filled: dict[str, Any] = {
        name: getattr(settings, name) for name in SamplingFields.model_fields if not _given(spec, name)
    }
    if spec.demo:
        filled |= {name: value for name, value in DEMO_SAMPLING.items() if not _given(settings, name)}
    if spec.system_prompt is None:
        filled["system_prompt"] = settings.system_prompt
    return spec.model_copy(update=filled)


def _given(fields: SamplingFields, name: str) -> bool:
    return getattr(fields, name) not in (None, ())
