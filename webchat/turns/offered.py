"""The models that somebody may use, and under which names: all of them, or those their link names.

A blind link shows "Model A" in place of a model's name. What its people send and what is stored of their
chats has that name too, so that nothing has to be hidden later; only the provenance of a reply names the
model.
"""

from __future__ import annotations

from backends.types import Sampling
from webchat.models import ModelInfo, Models, NoSuchModel
from webchat.store.link_records import LinkTerms
from webchat.turns.errors import UnknownModel


class Offered:
    """What of the models the terms of a link offer."""

    def __init__(self, models: Models, terms: LinkTerms) -> None:
        self._models = models
        self._terms = terms
        self._names = dict(zip(terms.shown_models, terms.models, strict=True))
        """The names of the link's models, by what they are shown as."""

    @property
    def default(self) -> str:
        """What the model is shown as that is used if nobody chose one."""
        if not self._names:
            return self._models.default
        usual = (shown for shown, name in self._names.items() if name == self._models.default)
        return next(usual, None) or next(iter(self._names))

    def infos(self) -> tuple[ModelInfo, ...]:
        """All models in order, as they are shown."""
        if not self._names:
            return self._models.infos()
        return tuple(self._info(shown) for shown in self._names)

    def info(self, wanted: str) -> ModelInfo | None:
        """The model for a key or a name, even if it is not in `infos`; `None` if it is not offered."""
        if not self._names:
            return self._models.info(wanted)
        shown = self._shown(wanted)
        return None if shown is None else self._info(shown)

    def named(self, wanted: str) -> str:
        """The name by which `Models` knows what is offered. Raises `UnknownModel`."""
        if not self._names:
            return wanted
        shown = self._shown(wanted)
        if shown is None:
            raise UnknownModel(wanted)
        return self._names[shown]

    async def chosen(self, wanted: str) -> str:
        """Name of the model for a key or a name that is offered. Raises `UnknownModel`, and `BackendError` if
        it is gone or its endpoint does not answer."""
        try:
            return await self._models.chosen(self.named(wanted))
        except NoSuchModel as error:
            raise UnknownModel(wanted) from error

    def offers(self, wanted: str) -> bool:
        return not self._names or self._shown(wanted) is not None

    def key(self, wanted: str) -> str:
        """How to store a choice."""
        return wanted if self._terms.blind else self._models.key(wanted)

    def label(self, wanted: str, model: str) -> str:
        """What a reply of `model`, which was chosen as `wanted`, says it is by."""
        return (self._shown(wanted) or "") if self._terms.blind else model

    def _shown(self, wanted: str) -> str | None:
        if wanted in self._names:
            return wanted
        if self._terms.blind:
            return None
        key = self._models.key(wanted)
        return next((shown for shown, name in self._names.items() if self._models.key(name) == key), None)

    def _info(self, shown: str) -> ModelInfo:
        info = self._models.info(self._names[shown])
        if not self._terms.blind:
            return info
        # Its window, its sampling or how long it loads tell models apart as well as their names.
        return ModelInfo(
            name=shown,
            source="",
            kind="",
            status="ready" if info.status == "idle" else info.status,
            progress=None,
            eta_seconds=None,
            failure=info.failure,
            sampling=Sampling(),
            system_prompt=None,
            capabilities=None,
            key=shown,
            missing=info.missing,
        )
