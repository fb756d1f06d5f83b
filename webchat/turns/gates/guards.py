"""Guard models from the picker: how moderation queries them, and when that is impossible."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from backends.errors import ModelNotFound
from backends.openai_compat import Address
from backends.types import Request
from webchat.models import Models
from webchat.moderation.filters import Moderator
from webchat.moderation.kinds.guard import Guard, Hide, answer_of
from webchat.privacy import Finder, masked_once


class AskModels:
    """An `Ask` for moderation. It does not queue: the reply that waits for its answer has a slot of its own.

    masking: as in the settings; a remote guard also receives placeholders for personal data.
    """

    def __init__(self, models: Models, masking: Literal["off", "remote", "always"] = "off") -> None:
        self._models = models
        self._masking = masking
        self._finder = Finder()

    async def __call__(self, model: str, request: Request) -> str:
        """Raises `BackendError`."""
        if self._masking == "always" or (self._masking == "remote" and self._models.spec(model).remote):
            request = masked_once(request, self._finder)
        async with self._models.use(model) as backend:
            return await answer_of(backend, request)

    def waits(self, model: str, writer: str) -> bool:
        """See `Ask`. Every slot may be held by a reply that waits for this answer, so one engine cannot both
        generate and check, however many slots it has. Unknown models wait for nobody: they do not answer."""
        try:
            reads = self._models.capabilities(model)
            writes = self._models.capabilities(writer)
        except ModelNotFound:
            return False
        if reads is None or writes is None or reads.slots is None:
            return False
        return model == writer or (reads.engine is not None and reads.engine == writes.engine)


def hiding(masking: Literal["off", "remote", "always"]) -> Hide:
    """The text for a guard with its own URL: with placeholders for personal data, if it is remote."""
    finder = Finder()

    def hide(url: str, request: Request) -> Request:
        hides = masking == "always" or (masking == "remote" and Address.parse(url).remote)
        return masked_once(request, finder) if hides else request

    return hide


def asked_models(moderators: Iterable[Moderator]) -> dict[str, Guard]:
    """Names of the models that guards use, with the first guard that does."""
    found: dict[str, Guard] = {}
    for one in moderators:
        if isinstance(one, Guard) and isinstance(one.ask, AskModels):
            found.setdefault(one.model, one)
    return found


def check_guards(moderators: Iterable[Moderator], models: Models) -> str | None:
    """What makes a guard impossible, in one sentence without its full stop; `None` if all can work."""
    asks = AskModels(models)
    offered = [info.name for info in models.infos()]
    unknown = any(models.spec(info.name).discover for info in models.infos())
    for one in moderators:
        if not isinstance(one, Guard) or not isinstance(one.ask, AskModels):
            continue
        if one.model not in offered and not unknown:
            return (
                f'{one.name}: model = "{one.model}": there is no such model; available: {", ".join(offered)}'
            )
        if "output" in one.stages and models.default and asks.waits(one.model, models.default):
            return (
                f'{one.name}: model = "{one.model}" shares its slots with the model that writes the replies,'
                " so each would wait for the other; choose another guard model, set a url, or remove"
                ' "output" from its stages'
            )
    return None
