"""Built-in templates: YAML files in a folder per language, read once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from webchat.prompts.content import TemplateContent
from webchat.prompts.files import read_file

LANGUAGES = ("en", "zh-CN")
_FOLDER = Path(__file__).parent


@lru_cache(1)
def starters() -> Mapping[str, Mapping[str, TemplateContent]]:
    """By language, then by id, such as `starter-en-translate`."""
    return MappingProxyType(
        {
            language: MappingProxyType(
                {
                    f"starter-{language}-{path.stem}": read_file(path.read_text(encoding="utf-8"))
                    for path in sorted((_FOLDER / language).glob("*.yaml"))
                }
            )
            for language in LANGUAGES
        }
    )


def starter(template_id: str) -> TemplateContent | None:
    """The one with that id."""
    for found in starters().values():
        if template_id in found:
            return found[template_id]
    return None
