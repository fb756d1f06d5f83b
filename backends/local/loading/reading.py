"""Uses transformers to read tokenizer, processor and weights from complete files, reporting progress."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from backends._machine import engine_threads
from backends.base import LoadProgress, ProgressCallback
from backends.errors import ModelUnsupported
from backends.installation import add_extra
from backends.local.loading import devices
from backends.local.loading.devices import Placement
from backends.local.loading.sources import Files

_log = logging.getLogger(__name__)


def import_packages() -> None:
    # Read when torch is loaded. OpenMP's threads spin while they wait for each other, by default so long that
    # on a busy machine a decode step takes ten times as long and the web server beside it starves.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError as error:
        raise ModelUnsupported(
            f"Running a transformer here needs the package {error.name or 'torch'}.",
            cure=add_extra("local"),
            params={"package": error.name or "torch"},
        ) from error
    # What matters is in our errors and progress; the rest would only fill the terminal.
    log: Any = transformers.utils.logging
    log.set_verbosity_error()
    log.disable_progress_bar()


def set_threads(threads: int | None) -> None:
    """For all of torch in this process, which has a single setting."""
    import torch

    torch.set_num_threads(threads or min(torch.get_num_threads(), engine_threads()))


def read_tokenizer(files: Files, common: dict[str, Any]) -> Any:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(files.folder, **common)
    if len(tokenizer) == 0 or not tokenizer("a", add_special_tokens=False)["input_ids"]:
        raise ModelUnsupported(
            f"{files.folder} has no tokenizer: tokenizer.json is missing.",
            cure="Download or copy the model again, including its tokenizer files.",
            params={"folder": str(files.folder), "missing": "tokenizer.json"},
        )
    return tokenizer


def read_processor(files: Files, config: dict[str, Any], common: dict[str, Any]) -> Any:
    """The image processor; `None` for a model that reads only text, or whose processor cannot run here."""
    named = any(
        (files.folder / name).is_file() for name in ("processor_config.json", "preprocessor_config.json")
    )
    if files.gguf is not None or "vision_config" not in config or not named:
        return None
    from transformers import AutoProcessor

    try:
        factory: Any = AutoProcessor
        processor = factory.from_pretrained(files.folder, **common)
    except ImportError as error:
        _log.warning("%s cannot read images: a package is missing: %s", files.folder, error)
        return None
    return processor if hasattr(processor, "image_processor") else None


def read_model(files: Files, placement: Placement, config: dict[str, Any], common: dict[str, Any]) -> Any:
    import torch
    import transformers

    packs = placement.family == "cpu" and placement.quantization == "fp16"
    options = {**common, "dtype": getattr(torch, placement.dtype), "output_loading_info": True}
    if files.gguf is None:
        options["use_safetensors"] = True
        if packs:
            options["dtype"] = "auto"  # as stored: packing makes float32 of each layer in its turn
    if (quantization := devices.bitsandbytes(placement)) is not None:
        options["quantization_config"] = quantization
    if placement.family != "cpu" and files.gguf is None:
        # Straight to where they belong: the machine's own memory may be the smaller one.
        options["device_map"] = {"": placement.device}
    vision = "vision_config" in config and files.gguf is None
    factory: Any = transformers.AutoModelForImageTextToText if vision else transformers.AutoModelForCausalLM
    model, info = factory.from_pretrained(files.folder, **options)
    if missing := sorted(info["missing_keys"]):
        raise ModelUnsupported(
            f"{files.folder} lacks weights: {', '.join(missing[:3])}"
            f"{f' and {len(missing) - 3} more' if len(missing) > 3 else ''}.",
            cure="Choose a model with a language head, or download it again.",
            params={"folder": str(files.folder), "missing": missing[0]},
        )
    if quantization is None:
        model = model.to(placement.device)
    return model.eval()


@contextmanager
def reporting(report: ProgressCallback, total: int | None) -> Iterator[None]:
    """Report how far transformers is, in this thread, with reading `total` bytes; `None`: not worth
    telling."""
    if total is None:
        yield
        return
    from transformers.utils import logging as progress

    mine = threading.get_ident()

    def hook(factory: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        known = args[0] if args and threading.get_ident() == mine else None
        if options.get("desc") != "Loading weights" or known is None:
            return factory(*args, **options)
        return _counted(
            known, lambda done: report(LoadProgress("loading", total * done // len(known), total))
        )

    progress.set_tqdm_hook(hook)
    try:
        yield
    finally:
        progress.set_tqdm_hook(None)


def _counted(items: Any, report: Callable[[int], None]) -> Iterator[Any]:
    for index, item in enumerate(items):
        report(index)
        yield item
