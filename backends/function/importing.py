"""The import of a function that is named as `module:function`."""

from __future__ import annotations

import difflib
import importlib
import logging
import sys
import traceback
from pathlib import Path
from types import ModuleType

from backends.errors import ModelNotFound, ModelUnsupported

_log = logging.getLogger(__name__)


def import_function(named: str, folder: Path | None = None) -> object:
    """What `module:function` names; the module is looked for in a folder first, by default the current one.

    Runs the module's code. Raises `ModelNotFound` or `ModelUnsupported`, each with one sentence that tells
    the line.
    """
    module, _, name = named.partition(":")
    if not module or not name or "/" in module or module.endswith(".py"):
        raise ModelNotFound(
            f"{named!r} does not name a function.",
            cure="Write module:function, such as app:respond for the function respond in app.py.",
        )
    found: object = _import(module, folder or Path.cwd())
    for part in name.split("."):
        if not hasattr(found, part):
            close = difflib.get_close_matches(part, dir(found), n=1)
            hint = f"Did you mean {close[0]}?" if close else "Check its name."
            raise ModelNotFound(f"{module} has no {name}.", cure=hint)
        found = getattr(found, part)
    return found


def _import(module: str, folder: Path) -> ModuleType:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            close = difflib.get_close_matches(module, [path.stem for path in folder.glob("*.py")], n=1)
            hint = f"Did you mean {close[0]}?" if close else "Run webchat in the folder of that file."
            raise ModelNotFound(f"There is no module {module} in {folder}.", cure=hint) from None
        raise _broken(module, error) from error
    except (Exception, SystemExit) as error:
        raise _broken(module, error) from error


def _broken(module: str, error: BaseException) -> ModelUnsupported:
    """The sentence names the last line outside of Python's own import machinery."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename
    ]
    place = f" at {frames[-1].filename}, line {frames[-1].lineno}" if len(frames) > 1 else ""
    if isinstance(error, SyntaxError):
        place = f" at {error.filename}, line {error.lineno}"
    said = str(error).splitlines()[0] if str(error) else ""
    _log.debug("importing %s failed", module, exc_info=error)
    return ModelUnsupported(
        f"Importing {module} failed{place}: {type(error).__name__}{f': {said}' if said else ''}.",
        cure="Correct it, then start again.",
    )
