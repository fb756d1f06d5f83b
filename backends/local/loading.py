"""Weights, tokenizer and chat template into memory, with every refusal in words."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends._machine import engine_threads
from backends.base import LoadProgress, ProgressCallback
from backends.errors import BackendError, ModelUnsupported
from backends.local import devices
from backends.local.devices import Placement
from backends.local.sources import Files, locate, read_config

_CHAT_HEADS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to answer.

    context_length: in tokens, `None` when the model states none. end_ids: the tokens that end a reply.
    """

    model: Any
    tokenizer: Any
    template: str
    end_ids: frozenset[int]
    placement: Placement
    context_length: int | None
    revision: str | None
    system_role: bool


@dataclass(frozen=True, slots=True)
class Options:
    """What `LocalBackend` was asked to load; see there."""

    source: str
    revision: str | None = None
    device: str | None = None
    dtype: str | None = None
    context_length: int | None = None
    threads: int | None = None
    chat_template: str | None = None
    adapter: str | None = None
    quantization: str | None = None
    load_in_8bit: bool = False
    load_in_4bit: bool = False
    trust_remote_code: bool = False
    token: str | None = None


def load(options: Options, report: ProgressCallback) -> Loaded:
    """Load what `options` name. Blocks. Raises `BackendError` only."""
    _import_packages()
    _set_threads(options.threads)
    placement = devices.choose(options.device, options.dtype)
    quantization = devices.quantization(placement, in_8bit=options.load_in_8bit, in_4bit=options.load_in_4bit)
    files = locate(options.source, revision=options.revision, token=options.token, report=report)
    if files.gguf is not None and quantization is not None:
        raise ModelUnsupported(
            f"{files.gguf} is a GGUF, which is as large as it was made.",
            cure="Leave load_in_8bit and load_in_4bit out.",
            params={"file": files.gguf},
        )
    config = read_config(files.folder)
    _check_kind(config, options.source)
    if quantization is None and files.gguf is None:
        stored = config.get("dtype") or config.get("torch_dtype")
        devices.check_memory(placement, files.weight_bytes, stored, options.source)
    report(LoadProgress("loading", 0, files.weight_bytes))
    common: dict[str, Any] = {"trust_remote_code": options.trust_remote_code, "local_files_only": True}
    if files.gguf is not None:
        common["gguf_file"] = files.gguf
    try:
        tokenizer = _tokenizer(files, common)
        template = _template(tokenizer, options)
        model = _model(files, placement, quantization, common)
    except BackendError:
        raise
    except Exception as error:
        raise _refusal(error, options.source, placement, files) from error
    report(LoadProgress("loading", files.weight_bytes, files.weight_bytes))
    window = _context_length(model.config)
    return Loaded(
        model=model,
        tokenizer=tokenizer,
        template=template,
        end_ids=_end_ids(model, tokenizer, template),
        placement=placement,
        context_length=min((n for n in (window, options.context_length) if n is not None), default=None),
        revision=files.revision,
        system_role=_takes_system_role(tokenizer, template),
    )


def _import_packages() -> None:
    # Read when torch is loaded. OpenMP's threads spin while they wait for each other, by default so long that
    # on a busy machine a decode step takes ten times as long and the web server beside it starves.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError as error:
        raise ModelUnsupported(
            f"Running a transformer here needs the package {error.name or 'torch'}.",
            cure="pip install 'webchat[local]'",
            params={"package": error.name or "torch"},
        ) from error
    # What matters is in our errors and progress; the rest would only fill the terminal.
    log: Any = transformers.utils.logging
    log.set_verbosity_error()
    log.disable_progress_bar()


def _set_threads(threads: int | None) -> None:
    """For all of torch in this process: it has but one number."""
    import torch

    torch.set_num_threads(threads or min(torch.get_num_threads(), engine_threads()))


def _check_kind(config: dict[str, Any], source: str) -> None:
    heads = config.get("architectures") or []
    known = any(head.endswith(_CHAT_HEADS) for head in heads)
    if config.get("is_encoder_decoder") or (heads and not known):
        raise ModelUnsupported(
            f"{source} is a {heads[0] if heads else 'model'}, which does not write replies.",
            cure="Choose a causal language model that was trained for conversations.",
            params={"model": source, "architecture": heads[0] if heads else ""},
        )


def _tokenizer(files: Files, common: dict[str, Any]) -> Any:
    from transformers import AutoTokenizer

    # Adapters often bring the tokenizer they were trained with, added tokens and template included.
    own = files.adapter is not None and (files.adapter / "tokenizer_config.json").is_file()
    folder = files.adapter if own else files.folder
    options = {key: value for key, value in common.items() if not own or key != "gguf_file"}
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
    if len(tokenizer) == 0 or not tokenizer("a", add_special_tokens=False)["input_ids"]:
        raise ModelUnsupported(
            f"{folder} has no tokenizer: tokenizer.json is missing.",
            cure="Download or copy the model again, with its tokenizer's files.",
            params={"folder": str(folder), "missing": "tokenizer.json"},
        )
    return tokenizer


def _template(tokenizer: Any, options: Options) -> str:
    template = options.chat_template or tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if not isinstance(template, str) or not template.strip():
        raise ModelUnsupported(
            f"{options.source} has no chat template, so it is a base model rather than a chat model.",
            cure="Choose a chat (instruct) model, or give a template with --chat-template-file.",
            params={"model": options.source},
        )
    return template


def _model(files: Files, placement: Placement, quantization: Any, common: dict[str, Any]) -> Any:
    import torch
    import transformers

    options = {**common, "dtype": getattr(torch, placement.dtype), "output_loading_info": True}
    if quantization is not None:
        options["quantization_config"] = quantization
    if placement.family != "cpu" and files.gguf is None:
        # Straight to where they belong: the machine's own memory may be the smaller one.
        options["device_map"] = {"": placement.device}
    if files.gguf is None:
        options["use_safetensors"] = True
    factory: Any = transformers.AutoModelForCausalLM
    model, info = factory.from_pretrained(files.folder, **options)
    if missing := sorted(info["missing_keys"]):
        raise ModelUnsupported(
            f"{files.folder} lacks weights: {', '.join(missing[:3])}"
            f"{f' and {len(missing) - 3} more' if len(missing) > 3 else ''}.",
            cure="Choose a model with a language head, or download it again.",
            params={"folder": str(files.folder), "missing": missing[0]},
        )
    if files.adapter is not None:
        model = _with_adapter(model, files.adapter)
    if quantization is None:
        model = model.to(placement.device)
    return model.eval()


def _with_adapter(model: Any, adapter: Path) -> Any:
    try:
        from peft import PeftModel
    except ImportError as error:
        raise ModelUnsupported(
            "Loading an adapter needs the package peft.", cure="pip install 'webchat[local]'"
        ) from error
    return PeftModel.from_pretrained(model, adapter).merge_and_unload()


def _context_length(config: Any) -> int | None:
    text = config.get_text_config()
    length = getattr(text, "max_position_embeddings", None)
    return int(length) if length else None


def _end_ids(model: Any, tokenizer: Any, template: str) -> frozenset[int]:
    """What the model's settings, the tokenizer and the template say: checkpoints often forget one of them."""
    ids: set[int] = set()
    for told in (model.generation_config.eos_token_id, tokenizer.eos_token_id):
        ids.update(told if isinstance(told, list) else () if told is None else (told,))
    messages = [{"role": "user", "content": "U"}, {"role": "assistant", "content": "the reply"}]
    try:
        text = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False)
    except Exception:  # templates refuse by raising whatever they like
        return frozenset(ids)
    behind = tokenizer(text.rpartition("the reply")[2], add_special_tokens=False)["input_ids"]
    return frozenset(ids.union(token for token in behind[:1] if token in tokenizer.all_special_ids))


def _takes_system_role(tokenizer: Any, template: str) -> bool:
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]
    try:
        tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False)
    except Exception:  # templates refuse by raising whatever they like
        return False
    return True


def _refusal(error: Exception, source: str, placement: Placement, files: Files) -> BackendError:
    if is_out_of_memory(error):
        return devices.out_of_memory(source, placement, needed=files.weight_bytes)
    said = str(error)
    if "trust_remote_code" in said:
        return ModelUnsupported(
            f"{source} comes with Python code of its own, which is not run unless you allow it.",
            cure="If you trust its author, set trust_remote_code.",
            params={"model": source},
        )
    if isinstance(error, ImportError):
        return ModelUnsupported(
            f"{source} needs a package that is not installed ({error.name or type(error).__name__}).",
            cure=f"pip install {error.name}" if error.name else "pip install 'webchat[local]'",
            params={"model": source, "package": error.name or ""},
        )
    _log.warning("loading %s failed", source, exc_info=error)
    return ModelUnsupported(
        f"transformers cannot load {source} ({type(error).__name__}).",
        cure="Check that its files are whole and that transformers knows this kind; the log has the details.",
        params={"model": source},
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or Python ran out of memory, on any device."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = str(error).lower()
    words = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(word in said for word in words)
