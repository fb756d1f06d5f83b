"""What a model is, as configured and as the picker shows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from backends.base import Backend, Capabilities, LoadProgress
from backends.errors import BackendError
from backends.openai_compat import RemoteModel
from backends.types import Sampling
from webchat.models.identity import HERE

Status = Literal["ready", "idle", "loading", "failed", "unfit"]
"""`unfit`: it would not fit the memory budget even alone."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model as configured.

    name: what people pick, unique. kind: its name in the registry. source: where it comes from, as text for
    people, without secrets.
    options: keyword arguments of `backends.registry.create(kind, ...)`; may hold keys, so never shown.
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
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
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
        """Of its server; a model in this process is one by itself."""
        return self.server or f"{HERE}{self.kind}:{self.name}"

    @property
    def here(self) -> bool:
        return self.identity.startswith(HERE)

    def under(self, template: GivenTemplate | None) -> ModelSpec:
        """The same model, made with this chat template."""
        if template is None:
            return self
        given = {"chat_template": template.text, "template_source": template.source}
        return replace(self, options={**self.options, **given})


@dataclass(frozen=True, slots=True)
class GivenTemplate:
    """A chat template in place of the model's own. source: what provenance calls it."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as the picker shows it. `capabilities` is `None` until the backend exists. in_process: it takes
    memory here. key: see `ModelKey`. missing: it was chosen earlier and is not here; `failure` says why.
    load_seconds: about how long it will take to load, while it is idle. remote: it runs on a
    machine of somebody else. unlisted: no model, but an endpoint that has not said yet which it has; its name
    is the endpoint's."""

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


Create = Callable[[ModelSpec], Backend]
ListModels = Callable[[ModelSpec], Awaitable[Sequence[RemoteModel]]]


def create_backend(spec: ModelSpec) -> Backend:
    """Make the backend of a spec through the registry. Raises `BackendError`."""
    from backends.registry import create

    return create(spec.kind, **spec.options)
