"""Checks that a model's files exist, before its engine and before anything is loaded."""

from __future__ import annotations

import os
from pathlib import Path

from webchat.settings.model import ModelSettings


def wrong_place(spec: ModelSettings) -> str | None:
    """What is wrong with the location of a model or its adapters, as a sentence; `None` if nothing is, or if
    only the hub can tell. Reads only names, permissions and the first bytes of a GGUF."""
    if spec.kind == "llamacpp":
        models = () if spec.demo else (spec.model or "",)
        said = [_wrong_gguf(path) for path in (*models, *spec.adapters)]
    elif spec.kind == "local":
        said = [_wrong_folder(spec.model or "", "config.json", "adapter_config.json")]
        said += [_wrong_folder(path, "adapter_config.json") for path in spec.adapters]
    else:
        said = []
    return next(filter(None, said), None)


def is_hub_id(model: str) -> bool:
    """Whether it is `owner/name` rather than a path written the same way."""
    return not Path(model).is_absolute() and not model.startswith((".", "~")) and model.count("/") == 1


def _wrong_gguf(named: str) -> str | None:
    path = Path(named).expanduser()
    try:
        if path.is_dir():
            return f"{named} is a folder. Give the .gguf file in it."
        with path.open("rb") as file:
            whole = file.read(4) == b"GGUF"
    except FileNotFoundError:
        return f"there is no file {named}. Check the path."
    except OSError as error:
        return f"{named} cannot be read: {error.strerror}."
    return None if whole else f"{named} is not a GGUF file. It may be incomplete."


def _wrong_folder(named: str, *wanted: str) -> str | None:
    path = Path(named).expanduser()
    try:
        kind = "folder" if path.is_dir() else "file" if path.stat() else ""
    except (FileNotFoundError, NotADirectoryError):
        if is_hub_id(named):
            return None
        return f"there is no folder {named}. Check the path, or give a hub id such as owner/name."
    except OSError as error:
        return f"{named} cannot be read: {error.strerror}."
    if kind == "file":
        return f"{named} is a file. Give the folder it is in, a .gguf file, or a hub id such as owner/name."
    if not os.access(path, os.R_OK | os.X_OK):
        return f"{named} cannot be read: Permission denied."
    if any((path / name).is_file() for name in wanted) or any(path.glob("*.gguf")):
        return None
    return f"{named} contains no model: it has no {' or '.join(wanted)}."
