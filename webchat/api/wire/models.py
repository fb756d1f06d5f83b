"""Models, as the picker shows them."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from backends.inputs import InputKind
from backends.types import InputValue
from webchat.api.wire.base import Answer, Body, ModelName, absent
from webchat.api.wire.conversations import Sampling
from webchat.api.wire.messages import Failure
from webchat.api.wire.turns import Loading
from webchat.models import ModelInfo
from webchat.models.specs import Status
from webchat.store.records import Owner
from webchat.turns.errors import failure_of
from webchat.turns.offered import Offered

_SAMPLING = tuple(Sampling.model_fields)


class Input(Answer):
    """An input that a function takes beside the conversation; see `backends.inputs.Input`."""

    name: str
    label: str
    kind: InputKind
    default: InputValue
    about: str
    choices: tuple[tuple[str, str | int | float], ...]
    minimum: float | None
    maximum: float | None
    step: float | None
    integer: bool
    lines: int
    max_chars: int


class Model(Answer):
    """takes: the sampling parameters it supports. inputs: what a function takes beside the conversation,
    where the caller may choose it. examples: messages to begin with. The other fields are explained at
    `webchat.models.ModelInfo`."""

    key: str
    name: str
    source: str | None
    kind: str
    status: Status
    progress: Loading | None
    failure: Failure | None
    system_prompt: str | None
    sampling: Sampling
    takes: tuple[str, ...]
    images: bool
    context_length: int | None
    in_process: bool
    load_seconds: float | None
    remote: bool
    unlisted: bool
    missing: bool
    inputs: tuple[Input, ...] = Field(default=(), exclude_if=absent)
    examples: tuple[str, ...] = Field(default=(), exclude_if=absent)

    @classmethod
    def read_by(cls, reader: Owner, info: ModelInfo) -> Self:
        able = info.capabilities
        return cls(
            key=info.key,
            name=info.name,
            source=info.source if reader.operates else None,
            kind=info.kind,
            status=info.status,
            progress=Loading.at(info.progress, info.eta_seconds),
            failure=None if info.failure is None else Failure.read_by(reader, failure_of(info.failure)),
            system_prompt=info.system_prompt if reader.operates else None,
            sampling=Sampling.of(info.sampling),
            takes=tuple(name for name in _SAMPLING if able is None or name in able.sampling),
            images=able is not None and able.images,
            context_length=None if able is None else able.context_length,
            in_process=info.in_process,
            load_seconds=None if info.load_seconds is None else round(info.load_seconds, 1),
            remote=info.remote,
            unlisted=info.unlisted,
            missing=info.missing,
            inputs=()
            if able is None or not reader.terms.system_prompt
            else tuple(Input.of(one) for one in able.inputs),
            examples=() if able is None else able.examples,
        )


class ModelList(Answer):
    """default: the name of one. wanted: what the requested name or key refers to."""

    models: tuple[Model, ...]
    default: str
    wanted: Model | None

    @classmethod
    def read_by(cls, reader: Owner, offered: Offered, wanted: str = "") -> Self:
        asked = offered.info(wanted) if wanted else None
        return cls(
            models=tuple(Model.read_by(reader, info) for info in offered.infos()),
            default=offered.default,
            wanted=None if asked is None else Model.read_by(reader, asked),
        )


class RetryBody(Body):
    """name: of a model; without it, all endpoints are asked for their models again."""

    name: ModelName | None = None
