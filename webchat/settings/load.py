"""From flags, environment and files to one checked value that records the source of each part.

Strongest first: arguments in Python, flags, environment, `.env`, `webchat.toml`, defaults. Within one
environment, `WEBCHAT_X` wins over a variable shared with other programs (`OPENAI_BASE_URL`,
`DATABASE_URL`, ...).
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, get_args, get_origin

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from backends._proxies import unquoted
from backends._text_file import NotText, read_text
from backends.providers import Provider, nearest, provider_named
from webchat.settings.fields import Settings
from webchat.settings.model import ModelSettings
from webchat.settings.people import ACCESS
from webchat.settings.proxies import make_readable

PREFIX = "WEBCHAT_"
CONFIG = "WEBCHAT_CONFIG"
"""The one variable that is not a setting: a file to read instead of `webchat.toml`."""

HONOURED = {
    "OPENAI_BASE_URL": "endpoint",
    "OPENAI_API_KEY": "api_key",
    "HF_TOKEN": "hf_token",
    "HF_HOME": "hf_home",
    "DATABASE_URL": "database_url",
    "GRADIO_SERVER_NAME": "host",
    "GRADIO_SERVER_PORT": "port",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "otlp_endpoint",
}
"""Variables of other programs that are also read, and the setting each one fills."""

SPACE = {"host": "0.0.0.0", "sign_in": "open", "embed": True, "ephemeral": True}
"""Defaults on a Hugging Face Space (where `SPACE_ID` is set): the Space's own visibility decides who gets in,
and each visitor sees only their own conversations."""


KNOWN = (*Settings.model_fields, "access")
"""What every source may set: the settings, and one that is part of `sign_in` now."""

ON_A_SPACE = "default on a Space (SPACE_ID)"


class BadSettings(Exception):
    """The settings cannot be used. The message names the key, its source, the value (unless it is a secret)
    and the allowed values."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The values of one source. `origins` maps each field to the flag, variable or file key that set it."""

    values: Mapping[str, Any]
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings and the source of each (`default` if nothing set it). notes: what should be spelled
    otherwise now."""

    settings: Settings
    origins: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def origin(self, name: str) -> str:
        return self.origins.get(name, "default")


def load_settings(
    flags: Mapping[str, object] | None = None,
    *,
    arguments: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Loaded:
    """Read all sources and check all values.

    flags: values from the command line by field name. arguments: values from Python, likewise. environ, cwd:
    the process's own unless given. Raises BadSettings.
    """
    environ = os.environ if environ is None else environ
    cwd = Path.cwd() if cwd is None else cwd
    env_file = _env_file(cwd)
    layers = [
        _argument_layer(arguments or {}),
        _flag_layer(flags or {}),
        _own_layer(environ, ""),
        _honoured_layer(environ, ""),
        _own_layer(env_file, ".env: "),
        _honoured_layer(env_file, ".env: "),
        _file_layer(unquoted(environ.get(CONFIG) or env_file.get(CONFIG) or ""), cwd),
        _machine_layer(environ),
    ]
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in reversed(layers):
        for name, value in layer.values.items():
            _check(name, value, layer.origins[name])
            values[name], origins[name] = value, layer.origins[name]
    if "access" in values and origins.get("sign_in") == ON_A_SPACE:
        del values["sign_in"]
    _prefer_function(values, origins, layers)
    _prefer_local_model(values, origins, layers)
    try:
        settings = Settings(**values)
        settings.check_sign_in()
        if values.get("access") == "local" and settings.door != "local":
            raise ValueError("access = local is only for a loopback address: use sign_in = link")
    except ValidationError as error:
        raise BadSettings(_sentence(error, "the settings", "together")) from None
    except ValueError as error:
        raise BadSettings(f"{error}.") from None
    notes: tuple[str, ...] = ()
    if "access" in values:
        origin = origins["sign_in"] = origins.pop("access")
        now = ", ".join(settings.sign_in) or "none"
        notes = (f"access = {values['access']} ({origin}) is now said by sign_in = {now}.",)
    variables = {**env_file, **environ}
    settings = _with_provider_key(settings, values, origins, variables)
    return Loaded(_with_keys(settings, values, variables), origins, notes)


def variable(name: str) -> str | None:
    """The value of a variable named in a file, from the environment or `.env`; `None` if it is unset or
    empty."""
    return unquoted(os.environ.get(name) or _env_file(Path.cwd()).get(name) or "") or None


def _env_file(folder: Path) -> dict[str, str]:
    """The variables set in `.env`. Raises BadSettings."""
    path = folder / ".env"
    if not path.is_file():
        return {}
    text = _text(path)
    return {name: value for name, value in dotenv_values(stream=StringIO(text)).items() if value is not None}


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except OSError as error:
        raise BadSettings(f"{path} cannot be read: {error.strerror}.") from None
    except NotText as error:
        raise BadSettings(f"{path} {error}.") from None


def hand_on(settings: Settings) -> list[str]:
    """Pass settings on to libraries that read the environment themselves. Call it before they are imported.
    Returns a sentence for each proxy that they cannot use."""
    if settings.hf_home is not None:
        os.environ["HF_HOME"] = str(settings.hf_home)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    return list(make_readable(os.environ))


def _argument_layer(arguments: Mapping[str, object]) -> Layer:
    for name in arguments:
        if name not in KNOWN:
            raise BadSettings(_unknown(f'"{name}"', name, Settings.model_fields))
    return Layer(arguments, {name: f"the argument {name}" for name in arguments})


def _flag_layer(flags: Mapping[str, object]) -> Layer:
    return Layer(flags, {name: flag_of(name) for name in flags})


def _own_layer(environ: Mapping[str, str], label: str) -> Layer:
    """`WEBCHAT_*`. An empty variable counts as not set."""
    known = {PREFIX + name.upper(): name for name in KNOWN}
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        name = variable.upper()
        if name.startswith(PREFIX) and name not in {*known, CONFIG}:
            raise BadSettings(_unknown(label + variable, name, known))
        if name in known and (value := unquoted(text)):
            values[known[name]] = value
    # In one order, so that of several wrong values the same is told first.
    values = {name: values[name] for name in KNOWN if name in values}
    if "models" in values:
        with contextlib.suppress(ValueError):  # said by the check, as for every wrong value
            values["models"] = json.loads(values["models"])
    return Layer(values, {name: f"{label}{PREFIX}{name.upper()}" for name in values})


def _honoured_layer(environ: Mapping[str, str], label: str) -> Layer:
    found = {name: variable for variable, name in HONOURED.items() if unquoted(environ.get(variable, ""))}
    return Layer(
        {name: unquoted(environ[variable]) for name, variable in found.items()},
        {name: label + variable for name, variable in found.items()},
    )


def _file_layer(named: str, cwd: Path) -> Layer:
    path = cwd / (named or "webchat.toml")
    if named and not path.is_file():
        raise BadSettings(f"{CONFIG} names {path}, which does not exist.")
    try:
        values = tomllib.loads(_text(path)) if path.is_file() else {}
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{path.name} is not valid TOML: {error}.") from None
    for name, value in values.items():
        if name not in KNOWN:
            raise BadSettings(_unknown(f'"{name}" in {path.name}', name, Settings.model_fields))
        _check_toml_type(name, value, f"{path.name}: {name}")
    return Layer(values, {name: f"{path.name}: {name}" for name in values})


def _machine_layer(environ: Mapping[str, str]) -> Layer:
    """Defaults that depend on where this runs."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    screen = environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")
    if environ.get("SSH_CONNECTION") or (sys.platform == "linux" and not screen):
        values["open_browser"], origins["open_browser"] = False, "default without a screen"
    if environ.get("SPACE_ID"):
        values.update(SPACE, snapshots_name=environ["SPACE_ID"])
        origins.update(dict.fromkeys((*SPACE, "snapshots_name"), ON_A_SPACE))
        if environ.get("SPACE_HOST"):
            values["public_url"] = f"https://{environ['SPACE_HOST']}"
            origins["public_url"] = "SPACE_HOST"
    return Layer(values, origins)


def _prefer_function(values: dict[str, Any], origins: dict[str, str], layers: Iterable[Layer]) -> None:
    """Of a function and another model from different sources, the stronger source's counts, so that
    `--function` works even if OPENAI_BASE_URL is set for other programs."""
    named = ("function", "model", "endpoint")
    for layer in layers:
        if any(layer.values.get(name) for name in named):
            function = bool(layer.values.get("function"))
            for name in named:
                if name not in layer.values and function != (name == "function"):
                    values.pop(name, None)
                    origins.pop(name, None)
            return


def _prefer_local_model(values: dict[str, Any], origins: dict[str, str], layers: Iterable[Layer]) -> None:
    """A local model named in a stronger source wins over an endpoint from a weaker one, so that `--model
    file.gguf` works even if OPENAI_BASE_URL is set for other programs."""
    for layer in layers:
        if "endpoint" in layer.values:
            return
        model = str(layer.values.get("model") or "")
        if model and (model.lower().endswith(".gguf") or Path(model).expanduser().exists()):
            values.pop("endpoint", None)
            origins.pop("endpoint", None)
            return


def _with_provider_key(
    settings: Settings, values: Mapping[str, object], origins: dict[str, str], environ: Mapping[str, str]
) -> Settings:
    """The key of an endpoint given by its provider's name, from the provider's own variable: one that is
    meant for another program's endpoint is not sent to it. Raises BadSettings."""
    provider = provider_named(str(values.get("endpoint") or ""))
    if provider is None or not origins.get("api_key", "OPENAI_API_KEY").endswith("OPENAI_API_KEY"):
        return settings
    key = _provider_key(provider, "endpoint", environ)
    origins.pop("api_key", None)
    if key is not None:
        origins["api_key"] = provider.key
    return settings.model_copy(update={"api_key": key})


def _provider_key(provider: Provider, name: str, environ: Mapping[str, str]) -> SecretStr | None:
    if not provider.key:
        return None
    if not (key := unquoted(environ.get(provider.key, ""))):
        raise BadSettings(f'{name} = "{provider.name}" needs a key: set {provider.key} to it.')
    return SecretStr(key)


def _with_keys(settings: Settings, values: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Fill in the keys that `api_key_env` and the names of providers refer to."""
    specs = []
    tables = values.get("models", ())
    for index, spec in enumerate(settings.models):
        given = tables[index] if isinstance(tables[index], Mapping) else {}
        provider = provider_named(str(given.get("endpoint") or ""))
        if provider is not None and spec.api_key is None and not spec.api_key_env:
            its_key = _provider_key(provider, f"models[{index}].endpoint", environ)
            spec = spec.model_copy(update={"api_key": its_key})
        if spec.api_key_env and spec.api_key is None:
            key = unquoted(environ.get(spec.api_key_env, ""))
            if not key:
                raise BadSettings(
                    f'models[{index}].api_key_env = "{spec.api_key_env}": this variable is not set;'
                    " allowed: the name of a variable that is set."
                )
            spec = spec.model_copy(update={"api_key": SecretStr(key)})
        specs.append(spec)
    return settings.model_copy(update={"models": tuple(specs)})


# What is said about a wrong value


def is_secret(info: FieldInfo) -> bool:
    """Whether a field's value must never be shown."""
    return SecretStr in (info.annotation, *get_args(info.annotation))


def allowed(info: FieldInfo) -> str:
    """The values a field accepts, in words."""
    extra = info.json_schema_extra
    words = str(extra.get("allowed", "")) if isinstance(extra, dict) else ""
    if words:
        return words
    if info.annotation is bool:
        return "true or false"
    return ", ".join(str(choice) for choice in get_args(info.annotation))


def flag_of(name: str) -> str:
    """The flag of a field, `""` if it has none."""
    if name == "access":
        return "--access"
    extra = Settings.model_fields[name].json_schema_extra
    flag = extra.get("flag", True) if isinstance(extra, dict) else True
    if flag is False:
        return ""
    return "--" + (flag if isinstance(flag, str) else name).replace("_", "-")


def _check(name: str, value: Any, origin: str) -> None:
    if name == "access" and value not in ACCESS:
        raise BadSettings(
            f"access = {_shown(value)} (from {origin}) is not valid; it is part of sign_in now, which takes"
            f" {allowed(Settings.model_fields['sign_in'])}."
        )
    try:
        Settings(**{name: value})
    except ValidationError as error:
        raise BadSettings(_sentence(error, name, f"from {origin}")) from None
    except ValueError:  # a list that is not JSON
        raise BadSettings(_wrong(name, Settings.model_fields[name], value, f"from {origin}")) from None


def _check_toml_type(
    name: str, value: object, origin: str, fields: Mapping[str, FieldInfo] | None = None
) -> None:
    """TOML is typed: a quoted number, or a number in place of a boolean, is a mistake rather than another
    spelling."""
    if name == "access":
        return  # checked with all other sources
    info = (fields or Settings.model_fields)[name]
    if name == "models" and fields is None:
        if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
            raise BadSettings(
                f"models (from {origin}) is not valid; allowed: a list of tables, [[models]] above each."
            )
        for index, table in enumerate(value):
            for key in table.keys() & ModelSettings.model_fields.keys():
                _check_toml_type(key, table[key], f"{origin}[{index}]", ModelSettings.model_fields)
        return
    if type(value) not in _toml_types(info.annotation):
        raise BadSettings(_wrong(name, info, value, f"from {origin}"))


def _toml_types(annotation: Any) -> set[type]:
    if annotation is bool:
        return {bool}
    if annotation is int:
        return {int}
    if annotation is float:
        return {int, float}
    if get_origin(annotation) is tuple:
        return {list, str}
    inner = [part for part in get_args(annotation) if part is not type(None)]
    if inner and not isinstance(inner[0], str) and type(None) in get_args(annotation):
        return _toml_types(inner[0])
    if getattr(annotation, "__metadata__", None):
        return _toml_types(annotation.__origin__)
    return {str}


def _sentence(error: ValidationError, name: str, origin: str) -> str:
    first = error.errors(include_url=False)[0]
    loc = first["loc"]
    if first["type"] == "value_error" and (not loc or (loc[0] == "models" and len(loc) <= 2)):
        where = f"{_path(loc) or name} ({origin}): " if loc else ""
        return f"{where}{first['ctx']['error']}."
    if len(loc) >= 3 and loc[0] == "models":
        key = str(loc[2])
        if first["type"] == "extra_forbidden":
            return _unknown(f'"{key}" in models[{loc[1]}] ({origin})', key, ModelSettings.model_fields)
        return _wrong(_path(loc[:3]), ModelSettings.model_fields[key], first["input"], origin)
    top = str(loc[0]) if loc else name
    return _wrong(top, Settings.model_fields[top], first["input"], origin)


def _path(loc: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")


def _wrong(name: str, info: FieldInfo, value: object, origin: str) -> str:
    if is_secret(info):
        shown = "(a secret, not shown)"
    elif name.startswith("models") and "." not in name:
        shown = "(not shown, it may hold keys)"
    else:
        shown = _shown(value)
    close = nearest(value) if name.endswith("endpoint") and isinstance(value, str) else None
    hint = f" Did you mean {close}?" if close else ""
    return f"{name} = {shown} ({origin}) is not valid; allowed: {allowed(info)}.{hint}"


def _shown(value: object) -> str:
    if not isinstance(value, str | int | float | bool):
        value = "a list or table" if isinstance(value, list | tuple | dict) else type(value).__name__
        return str(value)
    text = re.sub(r"//.*@", "//…@", str(value), flags=re.S)  # a password in a URL
    return json.dumps(text if len(text) <= 200 else text[:200] + "…", ensure_ascii=False)


def _unknown(shown: str, key: str, known: Iterable[str]) -> str:
    prefix = PREFIX if key.upper().startswith(PREFIX) else ""
    flag = "--" + key[len(prefix) :].lower()
    # A flag may be shorter than its setting: --open is open_browser.
    close = [f"{prefix}{name.upper()}" if prefix else name for name in KNOWN if flag_of(name) == flag]
    close = close or difflib.get_close_matches(key, list(known), n=1)
    hint = f" Did you mean {close[0]}?" if close else " `webchat settings` lists all."
    return f"There is no setting {shown}.{hint}"
