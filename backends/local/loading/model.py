"""Loads weights, tokenizer and chat template into memory, and explains every refusal."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backends.base import LoadProgress, ProgressCallback
from backends.chat_templates.rendering import Renderer
from backends.errors import BackendError, ModelUnsupported
from backends.installation import add_extra, add_package
from backends.local.loading import chat_format, devices
from backends.local.loading.devices import Placement
from backends.local.loading.reading import (
    import_packages,
    read_model,
    read_processor,
    read_tokenizer,
    reporting,
    set_threads,
)
from backends.local.loading.sources import (
    Files,
    base_of,
    check_numbers,
    locate,
    number,
    read_config,
    text_config,
)
from backends.local.loading.words import Words
from backends.options import LocalOptions

_CHAT_HEADS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to answer.

    context_length: in tokens, `None` if the model states none. end_ids: the tokens that end a reply.
    revision: commit on the hub. template_source: the origin of the template. stop: strings that end each
    reply in addition to the requested ones, if the template is the default one. processor: of a
    vision-language model, `None` if it reads only text. parts: whether the template expects messages as lists
    of parts. words: tokenizes text that must not become control tokens. parameters: number of weights.
    weight_bytes: their size on the device. renderer: applies chat templates.
    """

    model: Any
    tokenizer: Any
    words: Words
    template: str
    end_ids: frozenset[int]
    placement: Placement
    context_length: int | None
    revision: str | None
    system_role: bool
    speaks_first: bool
    template_source: str = "model"
    stop: tuple[str, ...] = ()
    processor: Any = None
    parts: bool = False
    parameters: int = 0
    weight_bytes: int = 0
    renderer: Renderer = field(default_factory=Renderer)

    @property
    def images(self) -> bool:
        """Whether it reads images."""
        return self.processor is not None


def resolve(options: LocalOptions) -> LocalOptions:
    """If `source` is an adapter: its base model as the source and itself as the adapter. Otherwise unchanged.

    May query the hub. Raises `BackendError`.
    """
    if options.adapter is not None:
        return options
    base = base_of(options.source, revision=options.revision, token=options.token)
    if base is None:
        return options
    return replace(
        options,
        source=base.source,
        revision=base.revision,
        adapter=options.source,
        adapter_revision=options.revision,
    )


def load(options: LocalOptions, report: ProgressCallback) -> Loaded:
    """Load the model named by `options`, without adapters. Blocks. Raises only `BackendError`."""
    import_packages()
    set_threads(options.threads)
    wanted = devices.preset(options.quantization, in_8bit=options.load_in_8bit, in_4bit=options.load_in_4bit)
    device = devices.available(options.device)
    units = devices.units_of(device)
    devices.placed(device, options.dtype, wanted, units)  # what cannot be is refused before a download
    files = locate(options.source, revision=options.revision, token=options.token, report=report)
    config = read_config(files.folder)
    _check_kind(config, options.source)
    placement = placed(device, files, config, options, units)
    if files.weights is not None:
        check_numbers(files.folder, config, files.weights)
    _check_memory(placement, files, config, options.source)
    try:
        return _loaded(options, files, config, placement, report)
    except BackendError:
        raise
    except Exception as error:
        raise _refusal(error, options.source, placement, files) from error


def adapter_name(source: str) -> str:
    """The public name of an adapter: its folder's name, or its id on the hub."""
    path = Path(source).expanduser()
    return path.resolve().name if path.is_dir() else source


def _loaded(
    options: LocalOptions,
    files: Files,
    config: dict[str, Any],
    placement: Placement,
    report: ProgressCallback,
) -> Loaded:
    from backends.local.loading import weights

    common: dict[str, Any] = {"trust_remote_code": options.trust_remote_code, "local_files_only": True}
    if files.gguf is not None:
        common["gguf_file"] = files.gguf
    total = files.weight_bytes
    report(LoadProgress("loading", 0, total))
    processor = read_processor(files, config, common)
    tokenizer = read_tokenizer(files, common) if processor is None else processor.tokenizer
    packs = placement.family == "cpu" and placement.quantization == "fp16"
    with reporting(report, total if not packs else None):
        model = read_model(files, placement, config, common)
    parameters = int(model.num_parameters())
    if packs:
        weights.pack(
            model, lambda done, all_: report(LoadProgress("loading", total * done // max(1, all_), total))
        )
    report(LoadProgress("loading", total, total))
    template = chat_format.choose(tokenizer, own=getattr(processor, "chat_template", None))
    renderer = Renderer()
    parts = processor is not None and chat_format.takes_parts(renderer, tokenizer, template.text)
    window = _context_length(model.config)
    return Loaded(
        model=model,
        tokenizer=tokenizer,
        words=Words(tokenizer, also=getattr(processor, "image_token", None)),
        template=template.text,
        end_ids=chat_format.end_ids(renderer, model, tokenizer, template.text, parts=parts),
        placement=placement,
        context_length=min((n for n in (window, options.context_length) if n is not None), default=None),
        revision=files.revision,
        system_role=chat_format.takes_system_role(renderer, tokenizer, template.text, parts=parts),
        speaks_first=chat_format.speaks_first(renderer, tokenizer, template.text, parts=parts),
        template_source=template.source,
        stop=template.stop,
        processor=processor,
        parts=parts,
        parameters=parameters,
        weight_bytes=weights.nbytes(model),
        renderer=renderer,
    )


def _check_kind(config: dict[str, Any], source: str) -> None:
    told = config.get("architectures")
    heads = [head for head in told if isinstance(head, str)] if isinstance(told, list) else []
    known = any(head.endswith(_CHAT_HEADS) for head in heads)
    if config.get("is_encoder_decoder") or (heads and not known):
        raise ModelUnsupported(
            f"{source} is a {heads[0] if heads else 'model'}, which does not generate text.",
            cure="Choose a causal language model trained for chat.",
            params={"model": source, "architecture": heads[0] if heads else ""},
        )


def placed(
    device: str, files: Files, config: dict[str, Any], options: LocalOptions, units: devices.Units
) -> Placement:
    """The number format of these files on a device. Needs no torch. Raises `ModelUnsupported` if the options
    contradict the files."""
    wanted = devices.preset(options.quantization, in_8bit=options.load_in_8bit, in_4bit=options.load_in_4bit)
    placement = devices.placed(device, options.dtype, wanted, units)
    if files.gguf is not None and placement.quantization in ("int8", "nf4"):
        raise ModelUnsupported(
            f"{files.gguf} is a GGUF, whose quantization is fixed.",
            cure=f"Leave {placement.quantization} out.",
            params={"file": files.gguf},
        )
    method = config.get("quantization_config")
    text = text_config(config)
    # Experts are no linear layers of their own, so their weights cannot be packed on a CPU.
    packs = placement.family == "cpu" and placement.quantization == "fp16"
    if method is None and not (packs and any(map(text.get, _EXPERTS))):
        return placement
    if wanted in (None, "none"):
        return devices.placed(device, options.dtype, "none", units)
    if method is None:
        raise ModelUnsupported(
            f"{options.source} is a mixture of experts, which does not support fp16 weights on a CPU.",
            cure="Leave the quantization unset, or use a quantized GGUF, which runs well on a CPU.",
            params={"model": options.source, "quantization": "fp16"},
        )
    name = str(method.get("quant_method", "quantized")) if isinstance(method, dict) else "quantized"
    raise ModelUnsupported(
        f"{options.source} is already quantized ({name}).",
        cure=f"Leave {wanted} unset, or choose the original model.",
        params={"model": options.source, "quantization": name},
    )


def _check_memory(placement: Placement, files: Files, config: dict[str, Any], source: str) -> None:
    if files.weights is not None and config.get("quantization_config") is None:
        embedding, tied = embedding_of(config)
        devices.check_memory(placement, files.weights, embedding, tied=tied, name=source)


def embedding_of(config: dict[str, Any]) -> tuple[int, bool]:
    """The number of values in the embedding, 0 if the settings do not say, and whether the output layer
    shares it."""
    text = text_config(config)
    size = number(text, "vocab_size") * number(text, "hidden_size")
    return size, bool(text.get("tie_word_embeddings", config.get("tie_word_embeddings", True)))


def _context_length(config: Any) -> int | None:
    text = config.get_text_config()
    length = getattr(text, "max_position_embeddings", None)
    return int(length) if length else None


def _refusal(error: Exception, source: str, placement: Placement, files: Files) -> BackendError:
    if is_out_of_memory(error):
        return devices.out_of_memory(source, placement, needed=files.weight_bytes)
    said = str(error)
    if "trust_remote_code" in said:
        return ModelUnsupported(
            f"{source} comes with its own Python code, which does not run unless you allow it.",
            cure="If you trust its publisher, set trust_remote_code.",
            params={"model": source},
        )
    if isinstance(error, ImportError):
        return ModelUnsupported(
            f"{source} needs a package that is not installed ({error.name or type(error).__name__}).",
            cure=add_package(error.name) if error.name else add_extra("local"),
            params={"model": source, "package": error.name or ""},
        )
    _log.warning("loading %s failed", source, exc_info=error)
    return ModelUnsupported(
        f"transformers cannot load {source} ({type(error).__name__}).",
        cure="Check that its files are complete and that transformers supports this architecture; the log has"
        " the details.",
        params={"model": source},
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or Python ran out of memory, on any device."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = str(error).lower()
    words = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(word in said for word in words)
