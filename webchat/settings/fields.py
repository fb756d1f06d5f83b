"""Every setting, defined once: name, default, description and allowed values.

Flat on purpose: a field `max_turns` is the flag `--max-turns`, the variable `WEBCHAT_MAX_TURNS` and the key
`max_turns` in `webchat.toml`. Only `models` is a list of tables.
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from webchat.settings.engine import EngineFields, SamplingFields, Words, setting
from webchat.settings.model import (
    ENDPOINTS,
    Endpoint,
    Function,
    ModelSettings,
    check_engine,
    http_url,
    kind_of,
    origin_of,
)
from webchat.settings.monitoring import MonitoringFields
from webchat.settings.networks import Network, network
from webchat.settings.people import PeopleFields, with_access
from webchat.settings.proxied import ProxiedFields

Access = Literal["local", "link", "open"]

_TUNNEL = ("127.0.0.0/8", "::1")
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")

OWN_PATHS = frozenset(
    {"api", "assets", "gradio_api", "healthz", "mcp", "metrics", "operator", "pages", "readyz", "s"}
    | {"sign-in", "static", "t", "v1"}
)
"""First segments of the app's own routes; a proxy cannot serve the app under any of them."""


def snapshot_place(value: str | None) -> str | None:
    """Raises `ValueError` unless it is an absolute path or a dataset repository."""
    if not value:
        return None
    if value.startswith("hf://"):
        if not re.fullmatch(r"hf://datasets/[\w.-]+/[\w.-]+", value):
            raise ValueError("not a dataset repository")
        return value
    path = Path(value).expanduser()
    if not path.is_absolute() or _is_file(path):
        raise ValueError("not a folder")
    return str(path)


def _is_file(path: Path) -> bool:
    """Whether it is there and no folder; what may not be looked at is refused where it is used."""
    return os.path.exists(path) and not os.path.isdir(path)


class Settings(SamplingFields, EngineFields, MonitoringFields, ProxiedFields, PeopleFields):
    """The effective settings of one server. Frozen; `Settings()` holds the defaults and reads nothing.

    `webchat.settings.load_settings` builds it from flags, environment and files.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, protected_namespaces=(), validate_default=True
    )

    # Where it listens
    host: str = setting("127.0.0.1", "Address to listen on.", "an address or host name")
    port: Annotated[int, Field(ge=0, le=65535)] = setting(
        7860, "Port to listen on; 0 picks a free one.", "a whole number from 0 to 65535"
    )
    share: bool = setting(
        False, "Make a public address through Gradio's tunnel, for a week; people need a link or `sign_in`."
    )
    open_browser: bool = setting(
        True, "Open the page in a browser (default: if a display is available).", flag="open"
    )
    root_path: str = setting(
        "",
        "Path under which a proxy serves the app.",
        'a path such as "/chat", without a trailing slash and not one of the app\'s own ("/api", "/t", ...)',
    )
    public_url: str | None = setting(
        None, "The address people use if it differs from host and port; used for links and cookies.",
        "an http(s) URL without a password in it",
    )  # fmt: skip
    allowed_origins: Words = setting(
        (), "Other origins allowed to call this server.", "http(s) origins, separated by commas"
    )

    trusted_proxies: Words = setting(
        (),
        "Addresses or networks of proxies in front of this server whose headers (`X-Forwarded-For`,"
        " `X-Forwarded-Proto`, `Forwarded`, and those of `sign_in = proxy`) are trusted.",
        "addresses or networks, separated by commas",
    )

    trusted_networks: Words = setting(
        ("127.0.0.0/8", "::1"),
        "Networks exempt from limits by address, such as a class or an office. Limits by person and"
        " link still apply.",
        "addresses or networks, separated by commas",
    )

    # Who comes in
    embed: bool = setting(
        False, "Allow Hugging Face to embed the app in a frame, and set cookies that work there."
    )
    cookie_secret: SecretStr | None = setting(
        None, "Key that signs cookies (default: generated at the first start and stored in the data folder).",
        "at least 32 characters", flag=False,
    )  # fmt: skip

    # What it keeps
    data_dir: Path = setting(
        lambda: _user_data_dir(), "Folder of the database and all other data.", "a folder, or a path for one"
    )
    cache_dir: Path = setting(
        lambda: _user_cache_dir(),
        "Folder for files that can be downloaded again: the embedded model.",
        "a folder, or a path for one",
    )
    database_url: SecretStr | None = setting(
        None,
        "PostgreSQL or SQLite URL (default: webchat.db in the data folder).",
        "postgresql://user:password@host/name or sqlite:///path",
        flag=False,
    )
    snapshots: Annotated[str | None, AfterValidator(snapshot_place)] = setting(
        None,
        "Where copies of an SQLite database are kept while the server runs, from which a server without a"
        " database starts: a folder, such as a mounted bucket, or a private dataset repository; see"
        " deploy/backup.md.",
        "an absolute path of a folder or hf://datasets/OWNER/NAME",
    )
    snapshots_every: Annotated[float, Field(ge=0.05, le=1440)] = setting(
        10.0,
        "Minutes between two snapshots; a stop of the server makes one too. Without changes none is made.",
        "a number from 0.05 to 1440",
    )
    snapshots_keep: Annotated[int, Field(ge=2, le=1000)] = setting(
        10, "Snapshots to keep.", "a whole number from 2 to 1000"
    )
    snapshots_name: str = setting(
        "webchat",
        "Name of this server where several keep snapshots in one place; on a Space, its own.",
        "up to 100 letters, digits, dots, dashes, underscores and slashes",
    )
    backup_key: SecretStr | None = setting(
        None,
        "Key that encrypts snapshots and backups; without it they leave out the keys in the data folder.",
        "at least 16 characters", flag=False,
    )  # fmt: skip
    ephemeral: bool = setting(
        False, "The data folder is erased at each restart (default: on a Space); the page says so."
    )
    trash_days: Annotated[int, Field(ge=0, le=3650)] = setting(
        30, "Days a deleted conversation can be restored.", "a whole number from 0 to 3650"
    )

    # Models
    model: str | None = setting(
        None, "Hub id, folder or .gguf file; with an endpoint, the model's id there.", "a string"
    )
    endpoint: Endpoint = setting(
        None,
        "Base URL of an OpenAI-compatible server, or a provider's name; `webchat --discover` finds those"
        " on this machine.",
        ENDPOINTS,
    )
    function: Function = setting(
        None,
        "A Python function that answers, imported from the current folder; see deploy/function.md.",
        "module:function, such as app:respond",
    )
    api_key: SecretStr | None = setting(None, "The endpoint's key.", "a string", flag=False)
    models: tuple[ModelSettings, ...] = setting(
        (), "More models, side by side: one `[[models]]` table each.", "a list of tables", flag=False
    )
    default_model: str | None = setting(
        None,
        "Name of the model a new chat starts with (default: the first).",
        "the name of one of the models",
    )
    system_prompt: str | None = setting(None, "System prompt for models without their own.", "a string")
    hf_token: SecretStr | None = setting(
        None, "Hugging Face token for gated or private models.", "a string", flag=False
    )
    hf_home: Path | None = setting(
        None,
        "Where downloaded models are stored (default: Hugging Face's own).",
        "a folder, or a path for one",
    )

    memory_budget: Annotated[float, Field(gt=0, le=100_000)] | None = setting(
        None,
        "GB that all models in this process may use together, in main memory and on each GPU; the least"
        " recently used are unloaded to make room (default: nine tenths of the free memory before the"
        " first is loaded).",
        "a number above 0",
    )

    # The page
    language: Literal["auto", "en", "zh-CN"] = setting(
        "auto", "Language of the page; `auto` follows the browser."
    )
    titles: bool = setting(True, "Let the model name a conversation after its first reply.")
    starters: bool = setting(True, "Show the prompt templates that come with the app.")

    shares: Literal["off", "masked", "on"] = setting(
        "on",
        "Read-only shares of chats: `on`, `masked` (personal data is replaced), or `off`. Also applies to"
        " shares made before.",
    )

    visitor_shares: bool = setting(
        False, "Let visitors of an open server share their chats too, as far as `shares` allows."
    )

    context_overflow: Literal["cut", "refuse"] = setting(
        "cut",
        "What happens to a conversation that exceeds the model's context window: `cut` leaves out whole"
        " turns, the oldest first; `refuse` rejects the message.",
    )
    inspect: bool = setting(True, "Record exactly what the model was sent for each reply, for Inspect.")
    moderation: FilePath | None = setting(
        None,
        "File with rules for messages and replies; see deploy/moderation.md.",
        "a file that exists",
    )
    decisions_days: Annotated[int, Field(ge=1, le=3650)] = setting(
        90, "Days to keep the moderation log.", "a whole number from 1 to 3650"
    )
    decisions_content: bool = setting(
        False, "Keep the text around each match in the moderation log, at most 500 characters."
    )

    webhooks_private: bool = setting(
        False,
        "Let webhooks reach addresses in private networks and on this machine, and without TLS.",
    )

    masking: Literal["off", "remote", "always"] = setting(
        "remote",
        "Whether models receive placeholders for personal data, whose real values are restored in the reply:"
        " `remote` for models outside this machine and private networks, `always` for all.",
    )
    masking_secret: SecretStr | None = setting(
        None,
        "Key that encrypts stored placeholder values (default: generated and stored in the data folder).",
        "at least 32 characters", flag=False,
    )  # fmt: skip
    masking_keep: Literal["encrypted", "never"] = setting(
        "encrypted",
        "Where placeholder values are stored: `encrypted` in the database, `never` in memory only.",
    )

    # Limits
    max_message_chars: Annotated[int, Field(ge=1, le=10_000_000)] = setting(
        100_000, "Maximum length of a message, in characters.", "a whole number from 1 to 10000000"
    )
    max_body_bytes: Annotated[int, Field(ge=1024, le=2**30)] = setting(
        2_000_000,
        "Maximum size of a request that may hold long text, in bytes; all others may have 4096.",
        "a whole number from 1024 to 1073741824",
    )
    max_turns_per_owner: Annotated[int, Field(ge=1, le=100_000)] = setting(
        8, "Replies one person may have running or queued at once.", "a whole number from 1 to 100000"
    )
    max_turns_per_link: Annotated[int, Field(ge=1, le=100_000)] = setting(
        200, "The same for all visitors of one link.", "a whole number from 1 to 100000"
    )
    max_turns_per_network: Annotated[int, Field(ge=1, le=100_000)] = setting(
        200,
        "The same for all visitors from one address, or one IPv6 network, outside `trusted_networks`.",
        "a whole number from 1 to 100000",
    )
    max_turns: Annotated[int, Field(ge=1, le=100_000)] = setting(
        400, "Replies running or queued at once, in total.", "a whole number from 1 to 100000"
    )
    disk_reserve: Annotated[int, Field(ge=0, le=1_000_000)] = setting(
        256,
        "MB of the disk with an SQLite database that stay free for running replies: with less, no new message"
        " is accepted. At most a twentieth of the disk; 0 turns it off.",
        "a whole number from 0 to 1000000",
    )
    compare_wait: Annotated[float, Field(ge=0, le=3600)] = setting(
        60.0,
        "Seconds for which the faster side of a comparison waits for the slower one, so that speed does not "
        "tell which model it is.",
        "a number from 0 to 3600",
    )
    shutdown_grace: Annotated[float, Field(ge=0, le=3600)] = setting(
        10.0, "Seconds running replies have to finish when the server stops.", "a number from 0 to 3600"
    )

    @field_validator("host", "metrics_host")
    @classmethod
    def _host_is_name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._:%\[\]-]+", value):
            raise ValueError("not an address")
        return value.strip("[]")

    @field_validator("root_path")
    @classmethod
    def _root_path_is_path(cls, value: str) -> str:
        if value and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value):
            raise ValueError("not a valid path")
        if value and value.split("/")[1] in OWN_PATHS:
            raise ValueError("a path of the app itself")
        return value

    @field_validator("public_url")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        return http_url(value) if value else None

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(origin_of(origin) for origin in value)

    @field_validator("trusted_proxies", "trusted_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(network(text)) for text in value)

    @field_validator("cookie_secret", "masking_secret", "backup_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < (
            16 if info.field_name == "backup_key" else 32
        ):
            raise ValueError("too short")
        return value

    @field_validator("snapshots_name")
    @classmethod
    def _is_name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,99}", value):
            raise ValueError("not a name")
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            scheme = value.get_secret_value().partition("://")[0].partition("+")[0]
            if scheme not in ("sqlite", "postgresql", "postgres"):
                raise ValueError("not a supported database")
        return value

    @field_validator("data_dir", "cache_dir", "hf_home")
    @classmethod
    def _not_a_file(cls, value: Path | None) -> Path | None:
        if value is None:
            return None
        value = value.expanduser().absolute()
        if _is_file(value):
            raise ValueError("not a folder")
        return value

    @model_validator(mode="before")
    @classmethod
    def _access_was_a_setting(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "access" not in values:
            return values
        rest = {name: value for name, value in values.items() if name != "access"}
        return {**rest, "sign_in": with_access(values["access"], rest.get("sign_in", ()))}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.share and "open" in self.sign_in:
            raise ValueError(
                "share needs a door: with sign_in = open, anyone on the internet could use your models. Use"
                " sign_in = link, or accounts"
            )
        if self.share and self.public_url:
            raise ValueError("share makes a public address of its own: leave out public_url, or share")
        if self.function and (self.model or self.endpoint):
            other = "model" if self.model else "endpoint"
            raise ValueError(f"function and {other} are mutually exclusive: choose one")
        if self.snapshots and not self.store_url.startswith("sqlite"):
            raise ValueError(
                "snapshots are of an SQLite database: PostgreSQL keeps its data itself; leave out snapshots,"
                " and see deploy/backup.md for backups"
            )
        shortcut = self.model or self.endpoint or self.function
        kind = kind_of(self.model or "", self.endpoint or "", self.function or "") if shortcut else ""
        check_engine(self, kind)
        names = [spec.name for spec in self.models]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f'two models are named "{name}": give each a unique name')
        return self

    def check_sign_in(self) -> None:
        """Raises ValueError for ways to sign in that lack something."""
        super().check_sign_in()
        if "proxy" not in self.sign_in:
            return
        if self.share:
            raise ValueError(
                "sign_in = proxy can't be shared by a tunnel, which goes past the proxy: leave out share"
            )
        if not self.trusted_proxies:
            raise ValueError(
                "sign_in = proxy needs trusted_proxies: the proxy's address; anybody could send its header"
            )
        self.check_proxy((*self.allowed_people, *self.operator_people))

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
    def door(self) -> Access:
        """Who may enter: the one local owner, whoever has a link or an account, or everybody."""
        if "open" in self.sign_in:
            return "open"
        reached = self.share or self.public_url or not self.loopback
        return "link" if self.sign_in or reached else "local"

    @property
    def proxies(self) -> tuple[Network, ...]:
        """`trusted_proxies` as networks. For a share link also this machine, the end of its tunnel, and
        private networks, that of the share server: nobody else comes from there to a loopback address."""
        tunnel = (*_TUNNEL, *(_PRIVATE if self.loopback else ())) if self.share else ()
        return tuple(network(text) for text in (*self.trusted_proxies, *tunnel))

    @property
    def exempt(self) -> tuple[Network, ...]:
        """`trusted_networks` as networks."""
        return tuple(network(text) for text in self.trusted_networks)

    @property
    def by_tls(self) -> bool:
        """Whether people connect by https, even if the last hop to this server is plain http."""
        return (self.public_url or "").startswith("https://")

    @property
    def store_url(self) -> str:
        """The database URL including its password: for the store only, never for a log."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'webchat.db'}"

    @property
    def demo_dir(self) -> Path:
        """The folder of the embedded model."""
        return self.cache_dir / "models"

    @property
    def adapters_dir(self) -> Path:
        """The folder of adapters that `webchat finetune` trained."""
        return self.data_dir / "adapters"

    @property
    def trained_dir(self) -> Path:
        """The folder of whole models that it trained."""
        return self.data_dir / "models"

    @property
    def finetune_dir(self) -> Path:
        """The folder of trainings that are not over, each with its data and checkpoints."""
        return self.data_dir / "finetune"

    @property
    def base_url(self) -> str:
        """The address to print and to build links from, without a trailing slash."""
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
