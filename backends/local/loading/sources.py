"""From what the user named (hub id, folder, adapter, GGUF) to complete files on this disk."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends import _text_file
from backends.base import ProgressCallback
from backends.errors import ModelNotFound, ModelUnsupported
from backends.local.loading import shards
from backends.local.loading.hub import download, download_file
from backends.local.loading.shards import Weights

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class Files:
    """The location of a model. `revision`: commit on the hub. `gguf`: name of the GGUF in `folder`.

    weights: the contents of the safetensors, `None` for a GGUF. weight_bytes: size of the weights on disk.
    """

    folder: Path
    revision: str | None
    weight_bytes: int
    weights: Weights | None = None
    gguf: str | None = None


@dataclass(frozen=True, slots=True)
class Base:
    """The base model of an adapter, as the adapter names it."""

    source: str
    revision: str | None


def locate(source: str, *, revision: str | None, token: str | None, report: ProgressCallback) -> Files:
    """Find the model, downloading it from the hub if necessary, and check that its files are complete.

    Raises `ModelNotFound`, `ModelUnsupported`, `AuthFailed` (gated) or `Unavailable` (no network, full disk).
    """
    path = Path(source).expanduser()
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise ModelUnsupported(
                f"{path.name} cannot be loaded as a model by itself.",
                cure="Give its folder, a .gguf file, or a hub id.",
                params={"path": source},
            )
        return Files(path.parent, None, path.stat().st_size, gguf=path.name)
    folder, commit = _folder(source, revision, token, report)
    try:
        return _in_folder(folder, commit)
    except ModelNotFound as error:
        if commit is not None:
            raise _not_on_the_hub(source, error) from error
        raise


def base_of(source: str, *, revision: str | None, token: str | None) -> Base | None:
    """The base model of the adapter at `source`; `None` if there is no adapter.

    Raises `ModelUnsupported` for an adapter that does not name one.
    """
    path = Path(source).expanduser()
    file: Path | None = path / ADAPTER_CONFIG
    if not path.exists() and _is_hub_id(source):
        file = download_file(source, ADAPTER_CONFIG, revision, token)
    if file is None or not file.is_file():
        return None
    config = read_settings(file)
    return Base(_base_named(config, source), config.get("revision"))


def locate_adapter(source: str, *, revision: str | None, token: str | None, report: ProgressCallback) -> Path:
    """The folder of an adapter, downloaded from the hub if necessary, and checked to be complete.

    Raises the same errors as `locate`.
    """
    folder, _ = _folder(source, revision, token, report)
    check_adapter(folder)
    return folder


def check_adapter(folder: Path) -> dict[str, Any]:
    """The settings of the adapter in `folder`. Raises `ModelNotFound` or `ModelUnsupported` if it is
    incomplete."""
    if not (folder / ADAPTER_CONFIG).is_file():
        raise ModelNotFound(
            f"{folder} contains no adapter: {ADAPTER_CONFIG} is missing.",
            cure=f"Give a folder with {ADAPTER_CONFIG} and {ADAPTER_WEIGHTS}.",
            params={"folder": str(folder), "missing": ADAPTER_CONFIG},
        )
    config = read_settings(folder / ADAPTER_CONFIG)
    if not (folder / ADAPTER_WEIGHTS).is_file():
        _raise_for_weights(folder, [ADAPTER_WEIGHTS], pickled="adapter_model.bin")
    _base_named(config, str(folder))
    shards.checked([folder / ADAPTER_WEIGHTS])
    return config


def _base_named(config: dict[str, Any], source: str) -> str:
    base = str(config.get("base_model_name_or_path") or "")
    if not base:
        raise ModelUnsupported(
            f"The adapter {source} does not say which model it belongs to.",
            cure=f"Set base_model_name_or_path in its {ADAPTER_CONFIG}.",
            params={"folder": source},
        )
    return base


def read_config(folder: Path) -> dict[str, Any]:
    """The content of `config.json`; empty if there is none. Raises `ModelUnsupported` if parts that must be
    objects are not."""
    config = read_settings(folder / "config.json")
    if any(not isinstance(config.get(part, {}), dict | None) for part in ("text_config", "vision_config")):
        raise _unreadable(folder / "config.json")
    return config


def text_config(config: dict[str, Any]) -> dict[str, Any]:
    """The part of `config.json` that describes the text model."""
    return config.get("text_config") or config


def number(config: dict[str, Any], name: str) -> int:
    """A number from `config.json`, 0 if it is missing or impossible."""
    value = config.get(name)
    return value if type(value) is int and 0 <= value < 2**40 else 0


def check_numbers(folder: Path, config: dict[str, Any], weights: Weights) -> None:
    """Raises `ModelUnsupported` if `config.json` declares far more or larger layers than there are weights:
    building such a model before looking for its weights would not finish."""
    layers, sides = max(weights.tensors, 256), _MOST_SIDES * max(weights.widest, 1024)
    waiting: list[Any] = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        if not isinstance(part, dict):
            continue
        waiting += part.values()
        for name, value in part.items():
            most = layers if "layer" in name else sides if _COUNTS.search(name) else None
            if most is not None and isinstance(value, int | float) and not -1 <= value <= most:
                file = folder / "config.json"
                raise ModelUnsupported(
                    f"{file} sets {name} = {value:.4g}, which does not match the model's weights.",
                    cure="Download or copy the model again.",
                    params={"file": str(file), "name": name},
                )


_COUNTS = re.compile(r"^(num|n)_|(_size|_dim|_heads|_embd|_model|_rank)$")
_MOST_SIDES = 64


def _folder(
    source: str, revision: str | None, token: str | None, report: ProgressCallback
) -> tuple[Path, str | None]:
    """The folder of `source`'s files, and their commit if they are from the hub."""
    path = Path(source).expanduser()
    if path.is_dir():
        return path, None
    if not _is_hub_id(source):
        raise ModelNotFound(
            f"There is no model at {source}.",
            cure="Give a folder, a .gguf file, or a hub id such as owner/name.",
            params={"path": source},
        )
    folder = download(source, revision, token, report)
    return folder, folder.name


def _is_hub_id(source: str) -> bool:
    return not Path(source).is_absolute() and not source.startswith((".", "~")) and source.count("/") == 1


def _in_folder(folder: Path, revision: str | None) -> Files:
    if (folder / "config.json").is_file():
        _check_sizes(folder)
        read_config(folder)  # the smaller file first: the clearer error
        weights = shards.checked(_weight_files(folder))
        return Files(folder, revision, weights.stored, weights)
    ggufs = sorted(folder.glob("*.gguf"))
    if len(ggufs) == 1:
        return Files(folder, revision, ggufs[0].stat().st_size, gguf=ggufs[0].name)
    if ggufs:
        raise ModelUnsupported(
            f"{folder} contains {len(ggufs)} GGUF files.",
            cure=f"Give the path of one, such as {ggufs[0]}.",
            params={"folder": str(folder), "count": len(ggufs)},
        )
    raise ModelNotFound(
        f"{folder} contains no model: config.json is missing.",
        cure="Give a folder with config.json, *.safetensors and the tokenizer files.",
        params={"folder": str(folder), "missing": "config.json"},
    )


def _weight_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        named = read_settings(index).get("weight_map")
        if not isinstance(named, dict) or not all(_is_shard(name) for name in named.values()):
            raise _unreadable(index)
        names = sorted(set(named.values()))
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            _raise_for_weights(folder, missing, pickled=None)
        return [folder / name for name in names]
    whole = folder / "model.safetensors"
    if not whole.is_file():
        _raise_for_weights(folder, [whole.name], pickled="pytorch_model.bin")
    return [whole]


def _raise_for_weights(folder: Path, missing: list[str], *, pickled: str | None) -> None:
    stem = (pickled or "?").removesuffix(".bin")
    if pickled and any(folder.glob(f"{stem}*.bin")):
        raise ModelUnsupported(
            f"{folder} has its weights only as a pickle ({pickled}), which can run arbitrary code when"
            " loaded.",
            cure="Save it as safetensors (save_pretrained does), or ask its publisher to.",
            params={"folder": str(folder), "file": pickled},
        )
    names = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    raise ModelNotFound(
        f"{folder} is incomplete: {names} {'is' if len(missing) == 1 else 'are'} missing.",
        cure="Download or copy the model again.",
        params={"folder": str(folder), "missing": names},
    )


def _not_on_the_hub(source: str, error: ModelNotFound) -> ModelNotFound:
    missing = error.params.get("missing", "")
    return ModelNotFound(
        f"{source} has no {missing} on the hub, or it could not be downloaded.",
        cure="Choose a model with *.safetensors, or download a GGUF and give its path.",
        params={"model": source, "missing": missing},
    )


def _is_shard(name: object) -> bool:
    """Whether it names a weight file in the model's own folder."""
    return isinstance(name, str) and Path(name).name == name and name.endswith(".safetensors")


def read_settings(path: Path) -> dict[str, Any]:
    """The content of a settings file; empty if there is none. Raises `ModelUnsupported`."""
    text = read_text(path)
    if text is None:
        return {}
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable(path) from error
    return content if isinstance(content, dict) else {}


def read_text(path: Path) -> str | None:
    """The content of a small file; `None` if there is none. Raises `ModelUnsupported`."""
    try:
        if path.stat().st_size > _LONGEST_SETTINGS:
            raise _unreadable(path)
        return _text_file.read_text(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(path) from error


def _check_sizes(folder: Path) -> None:
    """Raises `ModelUnsupported` for abnormally large settings files, which both we and transformers read
    whole."""
    for path in (*folder.glob("*.json"), *folder.glob("*.jinja")):
        if path.stat().st_size > (_LONGEST_TOKENIZER if path.name in _VOCABULARIES else _LONGEST_SETTINGS):
            raise _unreadable(path)


_LONGEST_SETTINGS, _LONGEST_TOKENIZER = 32 * 2**20, 256 * 2**20
_VOCABULARIES = ("tokenizer.json", "vocab.json")


def _unreadable(path: Path) -> ModelUnsupported:
    return ModelUnsupported(
        f"{path} cannot be read.", cure="Download or copy the model again.", params={"path": str(path)}
    )
