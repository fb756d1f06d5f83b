"""The chat template and special tokens that a model comes with, from memory, or from its folder while it is
not loaded."""

from __future__ import annotations

from pathlib import Path

from backends.chat_templates.rendering import OwnTemplate
from backends.errors import ModelUnsupported
from backends.local.engines import Taken
from backends.local.loading import chat_format
from backends.local.loading.adapters import template_in
from backends.local.loading.sources import read_settings
from backends.options import LocalOptions

_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def own_template(options: LocalOptions, taken: Taken | None) -> OwnTemplate | None:
    """`None` for a model that is neither loaded nor in a folder. Reads files."""
    if taken is not None:
        adapter, loaded = taken.variant.adapter, taken.shared.opened.loaded
        if adapter is not None and adapter.template:
            return OwnTemplate(adapter.template, "adapter")
        own = chat_format.choose(loaded.tokenizer, own=getattr(loaded.processor, "chat_template", None))
        return OwnTemplate(own.text, own.source)
    for folder, source in ((options.adapter, "adapter"), (options.source, "model")):
        if folder is not None and (text := template_in(Path(folder).expanduser())):
            return OwnTemplate(text, source)
    return None


def special_tokens(options: LocalOptions, taken: Taken | None) -> dict[str, str]:
    """Under the names chat templates use."""
    if taken is not None:
        told = taken.shared.opened.loaded.tokenizer.special_tokens_map
    else:
        try:
            told = read_settings(Path(options.source).expanduser() / "tokenizer_config.json")
        except ModelUnsupported:
            return {}
    found = {name: told.get(name) for name in _NAMES}
    texts = {
        name: token.get("content") if isinstance(token, dict) else token for name, token in found.items()
    }
    return {name: text for name, text in texts.items() if isinstance(text, str)}
