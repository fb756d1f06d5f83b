"""What distinguishes one entry of the picker on a shared model: its chat template, end of replies and
adapter."""

from __future__ import annotations

from dataclasses import dataclass

from backends.local.loading import chat_format
from backends.local.loading.adapters import AdapterInfo
from backends.local.loading.model import Loaded


@dataclass(frozen=True, slots=True)
class Variant:
    """template: Jinja. source: its origin, a sentence for the default one. stop: strings that end each reply
    in addition to the requested ones. adapter: the LoRA adapter, by its name in the model."""

    template: str
    source: str
    end_ids: frozenset[int]
    stop: tuple[str, ...]
    system_role: bool
    speaks_first: bool
    adapter: AdapterInfo | None = None


def variant_of(loaded: Loaded, *, given: chat_format.Template | None, adapter: AdapterInfo | None) -> Variant:
    """given: a template from the user, which overrides the adapter's and the model's."""
    template = adapter.template if adapter is not None else None
    if given is not None:
        template = given.text
    if template is None:
        return Variant(
            loaded.template,
            loaded.template_source,
            loaded.end_ids,
            loaded.stop,
            loaded.system_role,
            loaded.speaks_first,
            adapter,
        )
    return Variant(
        template,
        "adapter" if given is None else given.source,
        chat_format.end_ids(loaded.renderer, loaded.model, loaded.tokenizer, template, parts=loaded.parts),
        (),
        chat_format.takes_system_role(loaded.renderer, loaded.tokenizer, template, parts=loaded.parts),
        chat_format.speaks_first(loaded.renderer, loaded.tokenizer, template, parts=loaded.parts),
        adapter,
    )
