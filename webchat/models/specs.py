"""A model as configured and as the picker shows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from backends.base import Backend, Capabilities, LoadProgress
from backends.errors import BackendError
from backends.openai_compat import Address, RemoteModel
from backends.options import EndpointOptions, EngineOptions
from backends.registry import Options, create
from backends.types import Sampling
from webchat.models.identity import HERE

Status = Literal["ready", "idle", "loading", "failed", "unfit"]
"""`unfit`: it would not fit the memory budget even alone."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model as configured.

    name: what people pick, unique. kind: its name in the registry. source: where it comes from, as text for
    people, without secrets.
    options: what its backend is made of; may hold keys, so never shown.
    remote: it runs on a machine of somebody else, see `leaves_the_house`.
    model: its id at its endpoint; empty for a model in this process, and for an endpoint with `discover`.
    server: what tells the server it runs on from all others; holds addresses, so never shown.
    label: what its entry in the settings is called; fit for everybody, so empty for an address of this
    network.
    discover: an endpoint whose models are asked for; each becomes a model of its own. titles: it is asked to
    name conversations; not worth it for the smallest models. pinned: once loaded it stays.
    """

    name: str
    kind: str
    source: str = ""
    options: Options = field(default_factory=dict, repr=False)
    system_prompt: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    model: str = ""
    server: str = field(default="", repr=False)
    label: str = ""
    discover: bool = False
    titles: bool = True
    pinned: bool = False
    remote: bool = False

    @property
    def identity(self) -> str:
        """Of its server; a model in this process is its own."""
        return self.server or f"{HERE}{self.kind}:{self.name}"

    @property
    def here(self) -> bool:
        return self.identity.startswith(HERE)

    def under(self, template: GivenTemplate | None) -> ModelSpec:
        """The same model with this chat template."""
        if template is None:
            return self
        text, source = template.text, template.source
        if isinstance(self.options, EngineOptions):
            return replace(self, options=replace(self.options, chat_template=text, template_source=source))
        if isinstance(self.options, Mapping):
            given = {"chat_template": text, "template_source": source}
            return replace(self, options={**self.options, **given})
        return self  # an endpoint has its own

    @property
    def endpoint(self) -> EndpointOptions:
        """The options of an endpoint."""
        assert isinstance(self.options, EndpointOptions)
        return self.options


def endpoint_spec(url: str) -> ModelSpec:
    """All models of an endpoint that needs no key, under the name of its address. Raises `BadRequest`."""
    address = Address.parse(url)
    return ModelSpec(
        name=address.place,
        kind="openai",
        source=url,
        options=EndpointOptions(url),
        server=address.identity,
        discover=True,
        remote=address.remote,
    )


@dataclass(frozen=True, slots=True)
class GivenTemplate:
    """A chat template in place of the model's own. source: its name in provenance."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as the picker shows it. `capabilities` is `None` until the backend exists. in_process: it takes
    memory here. key: see `ModelKey`. missing: it was chosen earlier and is not here; `failure` says why.
    load_seconds: about how long it will take to load, while it is idle. remote: it runs on a machine of
    somebody else. memory: bytes it takes here, or would. unlisted: no model, but an endpoint that has not
    said yet which it has; its name is the endpoint's."""

    name: str
    source: str
    kind: str
    status: Status
    progress: LoadProgress | None
    eta_seconds: float | None
    failure: BackendError | None
    sampling: Sampling
    system_prompt: str | None
    capabilities: Capabilities | None
    in_process: bool = False
    load_seconds: float | None = None
    remote: bool = False
    unlisted: bool = False
    key: str = ""
    missing: bool = False
    memory: int | None = None


Create = Callable[[ModelSpec], Backend]
ListModels = Callable[[ModelSpec], Awaitable[Sequence[RemoteModel]]]


def create_backend(spec: ModelSpec) -> Backend:
    """Create the backend of a spec through the registry. Raises `BackendError`."""
    return create(spec.kind, spec.options)
