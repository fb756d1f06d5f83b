"""Models from the Hugging Face hub: complete downloads, with progress, and every refusal explained."""

from __future__ import annotations

import errno
from importlib import import_module
from pathlib import Path
from typing import Any

from backends.base import LoadProgress, ProgressCallback
from backends.errors import AuthFailed, BackendError, ModelNotFound, Unavailable

_WANTED = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "*.tiktoken", "*.py"]
# The same weights once more, for other programs or from the middle of a training; parts of other kinds of
# models.
_UNWANTED = ["consolidated*.safetensors", "original/*", "onnx/*", "checkpoint-*/*"]
_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


def download(source: str, revision: str | None, token: str | None, report: ProgressCallback) -> Path:
    """The folder of the model `source`, named after its commit; downloaded if missing.

    Raises `ModelNotFound`, `AuthFailed` (gated) or `Unavailable` (no network, full disk).
    """
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
            f"{source} requires signing in and accepting its terms.",
            cure="Accept them on the model's page, then set HF_TOKEN.",
            params={"model": source},
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
        raise ModelNotFound(
            f"The hub has no model {source}{f' at revision {revision}' if revision else ''}.",
            cure="Check the id, or set HF_TOKEN if it is private.",
            params={"model": source},
        ) from error
    except errors.LocalEntryNotFoundError as error:
        if _is_full(error):
            raise _download_error(source, error) from error
        raise Unavailable(
            f"{source} is not downloaded yet, and the hub cannot be reached.",
            cure="Check the network and HF_HUB_OFFLINE, or give a local folder.",
            params={"model": source},
        ) from error
    except Exception as error:
        raise _download_error(source, error) from error


def download_file(source: str, name: str, revision: str | None, token: str | None) -> Path | None:
    """One small file of `source`; `None` if it does not exist or the hub does not respond: `download` reports
    why."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(
            hf_hub_download(
                source, name, revision=revision, token=token, tqdm_class=_progress_bar(lambda _: None)
            )
        )
    except Exception:
        return None


def _download_error(source: str, error: Exception) -> BackendError:
    if _is_full(error):
        return Unavailable(
            f"The disk ran out of space while {source} was being downloaded.",
            cure="Free some space, or set HF_HOME to another disk; the part already downloaded is kept.",
            params={"model": source},
        )
    return Unavailable(
        f"Downloading {source} failed ({type(error).__name__}).", cure="Try again.", params={"model": source}
    )


def _is_full(error: BaseException | None) -> bool:
    while error is not None:
        # The faster way of downloading tells it in words only.
        if (isinstance(error, OSError) and error.errno in _FULL) or "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


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
