"""Every setting, once: its name, its default, what it does and what is allowed.

Flat on purpose: a field `max_turns` is the flag `--max-turns`, the variable `WEBCHAT_MAX_TURNS` and the key
`max_turns` in `webchat.toml`. Only `models` is a list of tables.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from backends.types import Sampling

Access = Literal["local", "link", "open"]

OWN_PATHS = frozenset({"api", "assets", "gradio_api", "static", "t", "v1"})
"""Where the app's own routes begin; no proxy can serve it under one of these."""


def setting(default: Any, about: str, allowed: str = "", *, flag: bool | str = True) -> Any:
    """A documented field. `allowed` says in words what it takes (left out: told by its type).

    flag: False where the command line is no place for it (secrets, lists); a text is the flag's own name.
    """
    extra: dict[str, Any] = {"allowed": allowed, "flag": flag}
    if callable(default):
        return Field(default_factory=default, description=about, json_schema_extra=extra)
    return Field(default=default, description=about, json_schema_extra=extra)


def _listed(value: object) -> object:
    """A JSON list or comma-separated text, as variables and flags write lists."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http(s) URL")
    if parts.username or parts.password:
        raise ValueError("a URL with a password in it")
    _ = parts.port  # raises ValueError where it is no port
    return value.rstrip("/")


def _origin(value: str) -> str:
    url = _http_url(value)
    if urlsplit(url).path or urlsplit(url).query:
        raise ValueError("an origin has no path")
    return url


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
Probability = Annotated[float, Field(ge=0, le=1)]


class SamplingFields(BaseModel):
    """Sampling defaults; `None` leaves the choice to the model."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = setting(
        None, "Sampling temperature; 0 is greedy.", "a number from 0 to 2"
    )
    top_p: Annotated[float, Field(gt=0, le=1)] | None = setting(
        None, "Nucleus sampling: keep the likeliest tokens up to this share.", "a number above 0, up to 1"
    )
    top_k: Annotated[int, Field(ge=1)] | None = setting(
        None, "Keep only this many of the likeliest tokens.", "a whole number from 1"
    )
    min_p: Probability | None = setting(
        None, "Drop tokens less likely than this share of the likeliest.", "a number from 0 to 1"
    )
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = setting(
        None, "Penalty for tokens already there; 1 is none.", "a number above 0, up to 10"
    )
    max_tokens: Annotated[int, Field(ge=1)] | None = setting(
        None, "Most tokens of one reply.", "a whole number from 1"
    )
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = setting(
        None, "Seed of the sampler, where the model takes one.", "a whole number from 0"
    )
    stop: Words = setting((), "Strings that end a reply.", 'a list of texts, ["a", "b"] or a,b')

    def sampling(self) -> Sampling:
        """These defaults as a backend takes them."""
        return Sampling(**{name: getattr(self, name) for name in SamplingFields.model_fields})


class EngineFields(BaseModel):
    """How a model is loaded; each backend takes what concerns it."""

    revision: str | None = setting(None, "Branch, tag or commit of the hub model.", "a text")
    load_in_8bit: bool = setting(False, "Load a transformers model with 8-bit weights (needs a GPU).")
    load_in_4bit: bool = setting(False, "Load a transformers model with 4-bit weights (needs a GPU).")
    chat_template_file: Path | None = setting(
        None, "A Jinja chat template to use instead of the model's own.", "a file that exists"
    )
    trust_remote_code: bool = setting(
        False, "Run code that comes with the model. Only for publishers you trust."
    )
    context_length: Annotated[int, Field(ge=64)] | None = setting(
        None, "Tokens of prompt and reply together (default: the model's own).", "a whole number from 64"
    )
    threads: Annotated[int, Field(ge=1, le=1024)] | None = setting(
        None,
        "Threads of a model in this process (default: one per core but one).",
        "a whole number from 1",
    )
    slots: Annotated[int, Field(ge=1, le=256)] | None = setting(
        None,
        "Replies a model in this process writes at once; others wait in line (default: a GGUF 2, a"
        " transformers model 8 on a CPU and 32 on a GPU).",
        "a whole number from 1 to 256",
    )
    cache_tokens: Annotated[int, Field(ge=1024)] | None = setting(
        None,
        "Tokens of all conversations a transformers model keeps in memory (default: every slot's window, as"
        " far as memory allows).",
        "a whole number from 1024",
    )
    adapters: Words = setting(
        (),
        "LoRA adapters of the model, each one more model in the picker: folders or hub ids; for a GGUF, .gguf"
        " files.",
        'a list of texts, ["a", "b"] or a,b',
    )
    quantization: Literal["none", "fp16", "int8", "nf4"] | None = setting(
        None,
        "How small a transformers model's weights are made (default: what keeps its quality). int8 and nf4"
        " need an NVIDIA GPU.",
        "none, fp16, int8 or nf4",
    )
    device: Annotated[str, Field(pattern=r"^(cpu|mps|cuda(:\d+)?)$")] | None = setting(
        None, "Where a transformers model runs (default: the best there is).", "cpu, cuda, cuda:1 or mps"
    )
    dtype: Literal["float32", "float16", "bfloat16"] | None = setting(
        None,
        "Numbers a transformers model computes with (default: what the device does well).",
        "float32, float16 or bfloat16",
    )
    gpu_layers: Annotated[int, Field(ge=0, le=10_000)] | None = setting(
        None, "Layers of a GGUF model put on a GPU (default: as many as fit).", "a whole number from 0"
    )

    @field_validator("chat_template_file")
    @classmethod
    def _template_exists(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("no such file")
        return value


class ModelSettings(SamplingFields, EngineFields):
    """One model of the picker: where it comes from and its defaults. Frozen.

    kind: which backend serves it; by default an endpoint is `openai`, a `.gguf` file `llamacpp`, anything
    else `local`. The embedded demo model has `demo` set and no path yet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    name: str = setting(
        "", "The name in the picker (default: the model's own).", "a text up to 200 characters"
    )
    kind: str = setting(
        "", "The backend: openai, llamacpp, local, or an installed plugin's name.", "a backend's name"
    )
    endpoint: str | None = setting(
        None, "Base URL of an OpenAI-compatible server.", "an http(s) URL without a password in it"
    )
    model: str | None = setting(
        None,
        "Hub id, folder or .gguf file; with an endpoint the model's id there (default: all it lists).",
        "a text",
    )
    api_key: SecretStr | None = setting(None, "The endpoint's key.", "a text", flag=False)
    api_key_env: str | None = setting(
        None, "Name of the variable that holds the endpoint's key.", "a variable that is set"
    )
    system_prompt: str | None = setting(None, "What the model is told before every conversation.", "a text")
    demo: bool = setting(False, "The small embedded model.", flag=False)
    adapter: str | None = setting(None, "The LoRA adapter this one speaks with.", "a text", flag=False)
    pinned: bool = setting(
        False,
        "Once loaded, never unload it to make room for another (default: any model may go, that of new chats"
        " too).",
        flag=False,
    )

    @field_validator("endpoint")
    @classmethod
    def _endpoint_is_url(cls, value: str | None) -> str | None:
        return _http_url(value) if value else None

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        filled = dict(data)
        model, endpoint = filled.get("model"), filled.get("endpoint")
        if not filled.get("kind"):
            filled["kind"] = kind_of(str(model or ""), str(endpoint or ""))
        if not filled.get("name"):
            filled["name"] = name_of(str(model or ""), str(endpoint or "")) or filled["kind"]
        return filled

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.name) > 200:
            raise ValueError("name is longer than 200 characters")
        if self.kind == "openai" and self.endpoint is None:
            raise ValueError("endpoint is missing: kind openai needs one")
        if self.kind in ("local", "llamacpp") and not (self.model or self.demo):
            raise ValueError("model or endpoint is missing: say which model this is")
        _check_engine(self, self.kind)
        return self


def _check_engine(engine: EngineFields, kind: str) -> None:
    """Refuse what contradicts itself, and what this kind of model would not heed. Raises ValueError."""
    asked = [name for name in ("load_in_8bit", "load_in_4bit") if getattr(engine, name)]
    if engine.quantization is not None:
        asked.append("quantization")
    if len(asked) > 1:
        raise ValueError(f"{asked[0]} and {asked[1]} exclude each other: choose one")
    if asked and kind == "llamacpp":
        raise ValueError(f"{asked[0]} is for transformers models: a GGUF is quantized as its file is")
    if engine.adapters and kind == "openai":
        raise ValueError("adapters are for a model in this process: an endpoint lists its own as models")


def kind_of(model: str, endpoint: str) -> str:
    """Which backend serves a model: `openai` an endpoint, `llamacpp` a .gguf file, `local` anything else."""
    if endpoint:
        return "openai"
    return "llamacpp" if model.lower().endswith(".gguf") else "local"


def name_of(model: str, endpoint: str) -> str:
    """What a model is called where nobody gave it a name."""
    if endpoint:
        return model or (urlsplit(endpoint).hostname or "")
    return re.sub(r"\.gguf$", "", re.split(r"[/\\]", model.rstrip("/\\"))[-1], flags=re.IGNORECASE)[:200]


class Settings(SamplingFields, EngineFields, BaseSettings):
    """The effective settings of one server. Frozen; `Settings()` holds the defaults and reads nothing.

    Made from flags, environment and files by `webchat.settings.load_settings`.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, protected_namespaces=(), env_prefix="WEBCHAT_"
    )

    # Where it listens
    host: str = setting("127.0.0.1", "Address to listen on.", "an address or host name")
    port: Annotated[int, Field(ge=0, le=65535)] = setting(
        7860, "Port to listen on; 0 takes a free one.", "a whole number from 0 to 65535"
    )
    share: bool = setting(False, "Make a public link through Gradio's tunnel.")
    open_browser: bool = setting(
        True, "Open the page in a browser (default: where there is a screen).", flag="open"
    )
    root_path: str = setting(
        "",
        "Path under which a proxy serves the app.",
        'a path such as "/chat", without a slash at its end and none of the app\'s own ("/api", "/t", ...)',
    )
    public_url: str | None = setting(
        None, "The address people use, where it differs from host and port; for links and cookies.",
        "an http(s) URL without a password in it",
    )  # fmt: skip
    allowed_origins: Words = setting(
        (), "Other origins whose pages may call this server.", "http(s) origins, separated by commas"
    )

    # Who comes in
    access: Literal["auto", "local", "link", "open"] = setting(
        "auto",
        "Who comes in: `local` one owner without questions (loopback only), `link` whoever has a link, `open`"
        " every visitor as an owner of their own. `auto`: `local` on a loopback address, else `link`.",
    )
    embed: bool = setting(False, "Let Hugging Face show the app in a frame, and set cookies that work there.")
    cookie_secret: SecretStr | None = setting(
        None, "Key that signs cookies (default: made once, kept in the data folder).",
        "a text of at least 32 characters", flag=False,
    )  # fmt: skip

    # What it keeps
    data_dir: Path = setting(
        lambda: _user_data_dir(), "Folder of the database and everything kept.", "a folder, or a path for one"
    )
    cache_dir: Path = setting(
        lambda: _user_cache_dir(),
        "Folder of what can be fetched again: the embedded model.",
        "a folder, or a path for one",
    )
    database_url: SecretStr | None = setting(
        None,
        "PostgreSQL or SQLite URL (default: webchat.db in the data folder).",
        "postgresql://user:password@host/name or sqlite:///path",
        flag=False,
    )
    trash_days: Annotated[int, Field(ge=0, le=3650)] = setting(
        30, "Days a deleted conversation can still be restored.", "a whole number from 0 to 3650"
    )

    # Models
    model: str | None = setting(
        None, "Hub id, folder or .gguf file; with an endpoint the model's id there.", "a text"
    )
    endpoint: str | None = setting(
        None, "Base URL of an OpenAI-compatible server.", "an http(s) URL without a password in it"
    )
    api_key: SecretStr | None = setting(None, "The endpoint's key.", "a text", flag=False)
    models: tuple[ModelSettings, ...] = setting(
        (), "More models, side by side; see Models below.", "a list of tables", flag=False
    )
    default_model: str | None = setting(
        None,
        "Name of the model a new chat starts with (default: the first).",
        "the name of one of the models",
    )
    system_prompt: str | None = setting(
        None, "System prompt of every model that has none of its own.", "a text"
    )
    hf_token: SecretStr | None = setting(
        None, "Hugging Face token for gated or private models.", "a text", flag=False
    )
    hf_home: Path | None = setting(
        None, "Where downloaded models are kept (default: Hugging Face's own).", "a folder, or a path for one"
    )

    memory_budget: Annotated[float, Field(gt=0, le=100_000)] | None = setting(
        None,
        "GB that all models in this process may take together, in main memory and on each GPU; those unused"
        " longest are unloaded for others (default: nine tenths of what is free before the first is loaded).",
        "a number above 0",
    )

    # The page
    language: Literal["auto", "en", "zh-CN"] = setting(
        "auto", "Language of the page; `auto` follows the browser."
    )
    titles: bool = setting(True, "Let the model name a conversation after its first reply.")

    context_overflow: Literal["cut", "refuse"] = setting(
        "cut",
        "What happens to a conversation that is longer than its model reads: `cut` leaves out whole turns,"
        " the oldest first; `refuse` says so.",
    )
    moderation: Path | None = setting(
        None,
        "A file of rules for what people write and what models say; see Moderation below.",
        "a file that exists",
    )

    # Limits
    max_message_chars: Annotated[int, Field(ge=1, le=10_000_000)] = setting(
        100_000, "Longest message, in characters.", "a whole number from 1 to 10000000"
    )
    max_body_bytes: Annotated[int, Field(ge=1024, le=2**30)] = setting(
        2_000_000, "Largest request body, in bytes.", "a whole number from 1024 to 1073741824"
    )
    max_turns_per_owner: Annotated[int, Field(ge=1, le=100_000)] = setting(
        8, "Replies one person may have running at once.", "a whole number from 1 to 100000"
    )
    max_turns: Annotated[int, Field(ge=1, le=100_000)] = setting(
        400, "Replies running at once, in sum.", "a whole number from 1 to 100000"
    )
    shutdown_grace: Annotated[float, Field(ge=0, le=3600)] = setting(
        10.0, "Seconds that running replies get to finish when the server stops.", "a number from 0 to 3600"
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", "How much is logged.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed in: the layers are read, checked and named by `webchat.settings.load`."""
        return (init_settings,)

    @field_validator("host")
    @classmethod
    def _host_is_name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._:%\[\]-]+", value):
            raise ValueError("not an address")
        return value.strip("[]")

    @field_validator("root_path")
    @classmethod
    def _root_path_is_path(cls, value: str) -> str:
        if value and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value):
            raise ValueError("not such a path")
        if value and value.split("/")[1] in OWN_PATHS:
            raise ValueError("a path of the app itself")
        return value

    @field_validator("endpoint", "public_url")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        return _http_url(value) if value else None

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_origin(origin) for origin in value)

    @field_validator("cookie_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("too short")
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            scheme = value.get_secret_value().partition("://")[0].partition("+")[0]
            if scheme not in ("sqlite", "postgresql", "postgres"):
                raise ValueError("not a database this app knows")
        return value

    @field_validator("moderation")
    @classmethod
    def _rules_exist(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("no such file")
        return value

    @field_validator("data_dir", "cache_dir", "hf_home")
    @classmethod
    def _not_a_file(cls, value: Path | None) -> Path | None:
        if value is None:
            return None
        value = value.expanduser().absolute()
        if value.exists() and not value.is_dir():
            raise ValueError("not a folder")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.access == "local" and self.door_default != "local":
            raise ValueError(
                f"access = local is only for a loopback address, not for {self._open_to}: use access = link"
            )
        if self.model or self.endpoint:
            _check_engine(self, kind_of(self.model or "", self.endpoint or ""))
        else:
            _check_engine(self, "")
        names = [spec.name for spec in self.models]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f'two models are named "{name}": give each a name of its own')
        return self

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback
        except ValueError:
            return False

    @property
    def door_default(self) -> Access:
        """What `access = auto` means here."""
        return "local" if self._open_to == "" else "link"

    @property
    def door(self) -> Access:
        """Who comes in, with `auto` decided."""
        return self.door_default if self.access == "auto" else self.access

    @property
    def _open_to(self) -> str:
        if self.share:
            return "a share link"
        if self.public_url:
            return self.public_url
        return "" if self.loopback else self.host

    @property
    def by_tls(self) -> bool:
        """Whether people come by https although the last hop to this server may be plain http."""
        return (self.public_url or "").startswith("https://")

    @property
    def store_url(self) -> str:
        """The database's URL, its password included: for the store alone, never for a log."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'webchat.db'}"

    @property
    def demo_dir(self) -> Path:
        """Where the embedded model is kept."""
        return self.cache_dir / "models"

    @property
    def base_url(self) -> str:
        """The address to print and to build links from, without a slash at its end."""
        if self.public_url:
            return self.public_url
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{self.root_path}"


def _user_data_dir() -> Path:
    from platformdirs import user_data_path

    return user_data_path("webchat", appauthor=False)


def _user_cache_dir() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("webchat", appauthor=False)
