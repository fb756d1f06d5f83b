"""From what the person named (hub id, folder, adapter, GGUF) to whole files on this disk."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from backends.base import LoadProgress, ProgressCallback
from backends.errors import AuthFailed, BackendError, ModelNotFound, ModelUnsupported, Unavailable

_WANTED = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "*.tiktoken", "*.py"]
# The same weights once more, for other programs; folders hold parts of other kinds of models.
_UNWANTED = ["consolidated*.safetensors", "original/*", "onnx/*"]


@dataclass(frozen=True, slots=True)
class Files:
    """Where a model lies. `gguf`: name of the GGUF in `folder`. `adapter`: folder of a LoRA on top of it.

    weight_bytes: what the weights take on the disk.
    """

    folder: Path
    revision: str | None
    weight_bytes: int
    gguf: str | None = None
    adapter: Path | None = None


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
    if path.is_dir():
        return _in_folder(path, None, token, report)
    if path.is_absolute() or source.startswith((".", "~")) or source.count("/") != 1:
        raise ModelNotFound(
            f"There is no model at {source}.",
            cure="Give a folder, a .gguf file, or a hub id like owner/name.",
            params={"path": source},
        )
    folder = _from_hub(source, revision, token, report)
    try:
        return _in_folder(folder, folder.name, token, report)
    except ModelNotFound as error:
        if folder.name in error.message:
            raise _not_on_the_hub(source, error) from error
        raise  # about the model under an adapter


def read_config(folder: Path) -> dict[str, Any]:
    """The content of `config.json`; empty when there is none."""
    return _json(folder / "config.json")


def _in_folder(folder: Path, revision: str | None, token: str | None, report: ProgressCallback) -> Files:
    if (folder / "adapter_config.json").is_file():
        return _adapter(folder, revision, token, report)
    if (folder / "config.json").is_file():
        return Files(folder, revision, _checked_weights(folder))
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


def _adapter(folder: Path, revision: str | None, token: str | None, report: ProgressCallback) -> Files:
    config = _json(folder / "adapter_config.json")
    if not (folder / "adapter_model.safetensors").is_file():
        _raise_for_weights(folder, ["adapter_model.safetensors"], pickled="adapter_model.bin")
    base = str(config.get("base_model_name_or_path") or "")
    if not base:
        raise ModelUnsupported(
            f"The adapter in {folder} does not say which model it belongs to.",
            cure="Write base_model_name_or_path into its adapter_config.json.",
        )
    try:
        found = locate(base, revision=config.get("revision"), token=token, report=report)
    except ModelNotFound as error:
        raise ModelNotFound(
            f"The model under this adapter cannot be found: {error.message}",
            cure=f"Make {base} available; adapter_config.json names it.",
            params={"base": base},
        ) from error
    return Files(found.folder, revision or found.revision, found.weight_bytes, found.gguf, adapter=folder)


def _checked_weights(folder: Path) -> int:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = sorted(set(_json(index).get("weight_map", {}).values()))
        missing = [name for name in shards if not (folder / name).is_file()]
        if missing:
            _raise_for_weights(folder, missing, pickled=None)
        return sum((folder / name).stat().st_size for name in shards)
    whole = folder / "model.safetensors"
    if not whole.is_file():
        _raise_for_weights(folder, [whole.name], pickled="pytorch_model.bin")
    return whole.stat().st_size


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


def _from_hub(source: str, revision: str | None, token: str | None, report: ProgressCallback) -> Path:
    from huggingface_hub import errors, snapshot_download

    report(LoadProgress("connecting"))
    try:
        return Path(
            snapshot_download(
                source,
                revision=revision,
                token=token,
                allow_patterns=_WANTED,
                ignore_patterns=_UNWANTED,
                tqdm_class=_progress_bar(report),
            )
        )
    except errors.GatedRepoError as error:
        raise AuthFailed(
            f"{source} asks its users to sign in and to accept its terms.",
            cure="Accept them on the model's page, then set HF_TOKEN.",
            params={"model": source},
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
        raise ModelNotFound(
            f"The hub has no model {source}{f' at revision {revision}' if revision else ''}.",
            cure="Check the id, or set HF_TOKEN when it is a private one.",
            params={"model": source},
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise Unavailable(
            f"{source} is not on this machine, and the hub cannot be reached.",
            cure="Check the network and HF_HUB_OFFLINE, or give a folder.",
            params={"model": source},
        ) from error
    except Exception as error:
        raise _download_error(source, error) from error


def _not_on_the_hub(source: str, error: ModelNotFound) -> ModelNotFound:
    missing = error.params.get("missing", "")
    return ModelNotFound(
        f"{source} has no {missing} on the hub, or it could not be downloaded.",
        cure="Choose a model with *.safetensors; give a GGUF by the path of the downloaded file.",
        params={"model": source, "missing": missing},
    )


def _download_error(source: str, error: Exception) -> BackendError:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Unavailable(
            f"The disk became full while {source} was downloaded.",
            cure="Make room, or move HF_HOME elsewhere.",
        )
    return Unavailable(f"Downloading {source} failed ({type(error).__name__}).", cure="Try again.")


def _progress_bar(report: ProgressCallback) -> Any:
    """A tqdm that draws nothing and reports the bytes of all files together."""
    tqdm: Any = import_module("tqdm.auto").tqdm

    class Reporting(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            self._bytes = options.get("unit") == "B"
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            self.n += n or 0
            if self._bytes:
                report(LoadProgress("downloading", int(self.n), int(self.total) if self.total else None))
            return True

    return Reporting


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
