"""From the settings to the models: what each backend is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from backends._text_file import NotText, read_text
from backends.llamacpp import Servers
from backends.local import Engines
from backends.marks import marks_of
from backends.openai_compat import Address, Timeouts
from webchat.models.identity import HERE
from webchat.models.learned import FILE, LearnedFile
from webchat.models.specs import ModelSpec
from webchat.settings import BadSettings, ModelSettings, Settings, model_specs
from webchat.settings.model import name_of


def configured(settings: Settings) -> list[ModelSpec]:
    """The models of the picker, the default first. Raises `BadSettings`."""
    shared = Shared(Engines(), Servers())
    return [spec_of(model, settings, shared) for model in model_specs(settings)]


@dataclass(frozen=True, slots=True)
class Shared:
    """Where models in this process share what is loaded: adapters of one base, the base itself."""

    engines: Engines
    servers: Servers


def spec_of(model: ModelSettings, settings: Settings, shared: Shared) -> ModelSpec:
    """A configured model as `Models` takes it."""
    spec = ModelSpec(
        name=model.name,
        kind=model.kind,
        source=model.endpoint or model.model or "",
        system_prompt=model.system_prompt,
        sampling=model.sampling(),
        server=HERE + " ".join(filter(None, (model.kind, model.model or model.name, model.adapter))),
        label=model.name,
        pinned=model.pinned,
    )
    marks = tuple(map(marks_of, model.reasoning_marks))
    match model.kind:
        case "openai":
            key = model.api_key.get_secret_value() if model.api_key else None
            options = {
                "base_url": model.endpoint,
                "model": model.model,
                "api_key": key,
                "context_length": model.context_length,
                "timeouts": _timeouts(model),
                "leave_out": model.leave_out,
                "memory": LearnedFile(settings.data_dir / FILE),
                "marks": marks,
            }
            address = Address.parse(model.endpoint or "")
            return replace(
                spec,
                options=options,
                model=model.model or "",
                server=address.identity,
                label=_label(model, address),
                discover=model.model is None,
                remote=address.remote,
            )
        case "llamacpp":
            llama: dict[str, Any] = {
                "adapters": tuple(Path(adapter).expanduser() for adapter in model.adapters),
                "adapter": None if model.adapter is None else Path(model.adapter).expanduser(),
                "servers": shared.servers,
                "context_length": model.context_length,
                "slots": model.slots,
                "threads": model.threads,
                "chat_template": _template(model),
                "gpu_layers": model.gpu_layers,
                "marks": marks,
            }
            if model.demo:
                demo = {"cache_dir": settings.demo_dir, **llama}
                return replace(spec, kind="demo", titles=False, options=demo)
            return replace(spec, options={"path": Path(model.model or "").expanduser(), **llama})
        case "local":
            token = settings.hf_token.get_secret_value() if settings.hf_token else None
            local: dict[str, Any] = {
                "source": model.model,
                "adapter": model.adapter,
                "engines": shared.engines,
                "revision": model.revision,
                "device": model.device,
                "dtype": model.dtype,
                "context_length": model.context_length,
                "slots": model.slots,
                "cache_tokens": model.cache_tokens,
                "threads": model.threads,
                "chat_template": _template(model),
                "quantization": model.quantization,
                "load_in_8bit": model.load_in_8bit,
                "load_in_4bit": model.load_in_4bit,
                "trust_remote_code": model.trust_remote_code,
                "token": token,
                "marks": marks,
            }
            return replace(spec, options=local)
        case _:
            return replace(spec, options={"model": model.model} if model.model else {})


def _timeouts(model: ModelSettings) -> Timeouts:
    usual = Timeouts()
    return Timeouts(
        first_token=model.first_token_timeout or usual.first_token,
        next_token=model.next_token_timeout or usual.next_token,
    )


def _label(model: ModelSettings, address: Address) -> str:
    """What everybody may call an endpoint: its given name, or its address where that is public."""
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
