"""From what the person named (hub id, folder, adapter, GGUF) to whole files on this disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.base import ProgressCallback
from backends.errors import ModelNotFound, ModelUnsupported
from backends.local import shards
from backends.local.hub import download, download_file
from backends.local.shards import Weights

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class Files:
    """Where a model lies. `revision`: commit on the hub. `gguf`: name of the GGUF in `folder`.

    weights: what the safetensors hold, `None` for a GGUF. weight_bytes: what the weights take on the disk.
    """

    folder: Path
    revision: str | None
    weight_bytes: int
    weights: Weights | None = None
    gguf: str | None = None


@dataclass(frozen=True, slots=True)
class Base:
    """The model an adapter belongs to, as the adapter names it."""

    source: str
    revision: str | None


def locate(source: str, *, revision: str | None, token: str | None, report: ProgressCallback) -> Files:
    """Find the model, from the hub if it is not here, and check that its files are whole.

    Raises `ModelNotFound`, `ModelUnsupported`, `AuthFailed` (gated) or `Unavailable` (no network, full disk).
    """
    path = Path(source).expanduser()
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise ModelUnsupported(
                f"{path.name} is not a model that can be loaded by itself.",
                cure="Give the folder it lies in, a .gguf file, or a hub id.",
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
    """The model that the adapter at `source` is for; `None` where no adapter is.

    Raises `ModelUnsupported` for an adapter that does not say.
    """
    path = Path(source).expanduser()
    file: Path | None = path / ADAPTER_CONFIG
    if not path.exists() and _is_hub_id(source):
        file = download_file(source, ADAPTER_CONFIG, revision, token)
    if file is None or not file.is_file():
        return None
    config = _json(file)
    return Base(_base_named(config, source), config.get("revision"))


def locate_adapter(source: str, *, revision: str | None, token: str | None, report: ProgressCallback) -> Path:
    """The folder of an adapter, from the hub if it is not here, checked that it is whole.

    Raises what `locate` does.
    """
    folder, _ = _folder(source, revision, token, report)
    check_adapter(folder)
    return folder


def check_adapter(folder: Path) -> dict[str, Any]:
    """The settings of the adapter in `folder`. Raises `ModelNotFound` or `ModelUnsupported` if it is not
    whole."""
    if not (folder / ADAPTER_CONFIG).is_file():
        raise ModelNotFound(
            f"{folder} holds no adapter: {ADAPTER_CONFIG} is missing.",
            cure=f"Give a folder with {ADAPTER_CONFIG} and {ADAPTER_WEIGHTS}.",
            params={"folder": str(folder), "missing": ADAPTER_CONFIG},
        )
    config = _json(folder / ADAPTER_CONFIG)
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
            cure=f"Write base_model_name_or_path into its {ADAPTER_CONFIG}.",
            params={"folder": source},
        )
    return base


def read_config(folder: Path) -> dict[str, Any]:
    """The content of `config.json`; empty when there is none."""
    return _json(folder / "config.json")


def _folder(
    source: str, revision: str | None, token: str | None, report: ProgressCallback
) -> tuple[Path, str | None]:
    """Where the files of `source` are, and their commit if they are the hub's."""
    path = Path(source).expanduser()
    if path.is_dir():
        return path, None
    if not _is_hub_id(source):
        raise ModelNotFound(
            f"There is no model at {source}.",
            cure="Give a folder, a .gguf file, or a hub id like owner/name.",
            params={"path": source},
        )
    folder = download(source, revision, token, report)
    return folder, folder.name


def _is_hub_id(source: str) -> bool:
    return not Path(source).is_absolute() and not source.startswith((".", "~")) and source.count("/") == 1


def _in_folder(folder: Path, revision: str | None) -> Files:
    if (folder / "config.json").is_file():
        read_config(folder)  # the smaller file first: the clearer error
        weights = shards.checked(_weight_files(folder))
        return Files(folder, revision, weights.stored, weights)
    ggufs = sorted(folder.glob("*.gguf"))
    if len(ggufs) == 1:
        return Files(folder, revision, ggufs[0].stat().st_size, gguf=ggufs[0].name)
    if ggufs:
        raise ModelUnsupported(
            f"{folder} holds {len(ggufs)} GGUF files.",
            cure=f"Give the path of one, like {ggufs[0]}.",
            params={"folder": str(folder), "count": len(ggufs)},
        )
    raise ModelNotFound(
        f"{folder} holds no model: config.json is missing.",
        cure="Give a folder with config.json, *.safetensors and the tokenizer's files.",
        params={"folder": str(folder), "missing": "config.json"},
    )


def _weight_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(_json(index).get("weight_map", {}).values()))
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
            f"{folder} holds its weights only as a pickle ({pickled}), which can run any code when loaded.",
            cure="Save it again as safetensors (save_pretrained does), or ask its author to.",
            params={"folder": str(folder), "file": pickled},
        )
    names = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    raise ModelNotFound(
        f"{folder} is not whole: {names} {'is' if len(missing) == 1 else 'are'} missing.",
        cure="Download or copy the model again.",
        params={"folder": str(folder), "missing": names},
    )


def _not_on_the_hub(source: str, error: ModelNotFound) -> ModelNotFound:
    missing = error.params.get("missing", "")
    return ModelNotFound(
        f"{source} has no {missing} on the hub, or it could not be downloaded.",
        cure="Choose a model with *.safetensors; give a GGUF by the path of the downloaded file.",
        params={"model": source, "missing": missing},
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelUnsupported(
            f"{path} cannot be read.", cure="Download or copy the model again.", params={"path": str(path)}
        ) from error
    return content if isinstance(content, dict) else {}
