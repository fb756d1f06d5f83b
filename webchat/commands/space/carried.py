"""The current settings as a Space's own: what goes into its files, and what only into its secrets."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from backends.providers import provider_named
from webchat.commands.space.kinds import DEFAULT_MODEL, Kind
from webchat.commands.terminal import CommandError
from webchat.settings import Loaded, Settings
from webchat.settings.load import HONOURED, PREFIX, is_secret
from webchat.settings.model import ModelSettings
from webchat.settings.places import is_hub_id
from webchat.settings.table import field_order

OF_THE_MACHINE = frozenset(
    (
        *(
            "host",
            "port",
            "snapshots_name",
            "ephemeral",
            "share",
            "open_browser",
            "root_path",
            "public_url",
            "trusted_proxies",
        ),
        *(
            "trusted_networks",
            "embed",
            "data_dir",
            "cache_dir",
            "hf_home",
            "memory_budget",
            "threads",
            "disk_reserve",
        ),
        *("device", "gpu_layers"),
    )
)
"""Settings that say something about this machine and nothing about a Space."""

PORTS = (None, 80, 443, 8080)
"""Where a Space can connect to."""

_VARIABLES = {name: variable for variable, name in HONOURED.items()}


@dataclass(slots=True)
class Carried:
    """values: non-secret settings by name. models: the `[[models]]` tables. secrets: variable -> value; an
    empty one has to be set by hand. files: path in the Space -> the file here."""

    values: dict[str, Any] = field(default_factory=dict)
    models: list[dict[str, Any]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)

    def toml(self) -> str:
        """The text of `webchat.toml`, empty if all settings are defaults."""
        lines = [f"{name} = {_toml(value)}\n" for name, value in self.values.items()]
        for table in self.models:
            lines += ["\n[[models]]\n", *(f"{name} = {_toml(value)}\n" for name, value in table.items())]
        return "".join(lines)


def carried(loaded: Loaded, kind: Kind) -> Carried:
    """Raises `CommandError` for what a Space cannot have."""
    settings, found = loaded.settings, Carried()
    for name in field_order():
        value = getattr(settings, name)
        if name in OF_THE_MACHINE or name == "models" or value == _default(name):
            continue
        if name == "api_key" and not settings.endpoint:  # for nothing that the Space asks
            continue
        if is_secret(Settings.model_fields[name]):
            if value is not None and name != "hf_token":  # the one that uploads may write everything
                found.secrets[_variable(name, settings)] = value.get_secret_value()
        else:
            found.values[name] = _carry(name, value, found, remote=settings.endpoint is not None)
    for number, spec in enumerate(settings.models, 1):
        found.models.append(_model(spec, number, found))
    if str(found.values.get("snapshots", "")).startswith("hf://"):
        found.secrets["HF_TOKEN"] = ""
    if kind.local and not settings.model and not settings.models:
        found.values["model"] = DEFAULT_MODEL
    return found


def _default(name: str) -> Any:
    return Settings.model_fields[name].get_default(call_default_factory=True)


def _variable(name: str, settings: Settings) -> str:
    """Where a Space's secret is read from."""
    if name == "api_key":
        provider = provider_named(settings.endpoint or "")
        return provider.key if provider is not None and provider.key else variable_of(name)
    return variable_of(name)


def variable_of(name: str) -> str:
    """Where a setting is read from."""
    return _VARIABLES.get(name, PREFIX + name.upper())


def _model(spec: ModelSettings, number: int, found: Carried) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, info in ModelSettings.model_fields.items():
        value = getattr(spec, name)
        if name in ("demo", "adapter", "api_key", "api_key_env", *OF_THE_MACHINE):
            continue
        if value != info.get_default(call_default_factory=True):
            table[name] = _carry(name, value, found, remote=spec.endpoint is not None)
    key = spec.api_key.get_secret_value() if spec.api_key else ""
    if spec.api_key_env or key:
        variable = spec.api_key_env or f"MODEL_{number}_API_KEY"
        table["api_key_env"] = variable
        found.secrets[variable] = key
    return table


def _carry(name: str, value: Any, found: Carried, *, remote: bool) -> Any:
    """remote: whether the model is an endpoint's."""
    if name in ("model", "adapters") and not remote:
        for source in (value,) if isinstance(value, str) else value:
            _check_place(source)
        return _gguf(value, found) if isinstance(value, str) else [_gguf(one, found) for one in value]
    if name == "endpoint":
        _check_reach(value)
    if name == "function":
        raise CommandError(
            f"function = {value}: a function's own files and packages can't be collected. Build the Space"
            " without it, then add them and WEBCHAT_FUNCTION by hand."
        )
    if name == "moderation":
        return _rules(Path(value), found)
    if isinstance(value, Path):
        return _added("files", value, found)
    return value


def _added(folder: str, path: Path, found: Carried) -> str:
    """Where a file is in the Space: by its name, with a number for another file of the same name."""
    names = (f"{number}-{path.name}" if number else path.name for number in count())
    at = next(at for name in names if found.files.get(at := f"{folder}/{name}", path) == path)
    found.files[at] = path
    return at


def _check_place(source: str) -> None:
    path = Path(source).expanduser()
    if path.suffix.lower() == ".gguf" or (is_hub_id(source) and not path.exists()):
        return
    raise CommandError(
        f"{source} is on this machine, where a Space can't read it. Upload it to the Hub, for example with"
        " `hf upload OWNER/NAME FOLDER`, and give that id as the model."
    )


def _gguf(source: str, found: Carried) -> str:
    path = Path(source).expanduser()
    return _added("models", path, found) if path.suffix.lower() == ".gguf" else source


def _check_reach(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    try:
        here = not ip_address(host).is_global
    except ValueError:
        here = host == "localhost" or "." not in host or host.endswith((".local", ".internal"))
    if here:
        raise CommandError(
            f"{endpoint} is not on the internet, so a Space can't reach it. Give a public address, or another"
            " model."
        )
    if parts.port not in PORTS:
        raise CommandError(f"{endpoint}: a Space can connect only to the ports 80, 443 and 8080.")


def _rules(path: Path, found: Carried) -> str:
    """The rules file and the files it names, in a folder of their own."""
    found.files[f"rules/{path.name}"] = path
    for named in _files_in(tomllib.loads(path.read_text(encoding="utf-8"))):
        if PurePosixPath(named).is_absolute() or ".." in PurePosixPath(named).parts:
            raise CommandError(f"{path}: {named} is outside its folder; put it beside the rules.")
        found.files[f"rules/{named}"] = path.parent / named
    return f"rules/{path.name}"


def _files_in(content: object) -> Iterator[str]:
    if isinstance(content, Mapping):
        for name, value in content.items():
            if name == "file" and isinstance(value, str):
                yield value
            else:
                yield from _files_in(value)
    elif isinstance(content, list):
        for value in content:
            yield from _files_in(value)


def _toml(value: object) -> str:
    if isinstance(value, SecretStr):
        raise TypeError("a secret is in no file")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    # A JSON string is a TOML string, but for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
