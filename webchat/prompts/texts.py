"""The two texts of a template, checked and rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from webchat.prompts.content import TemplateContent, fill_values
from webchat.prompts.errors import BadTemplate, Where
from webchat.prompts.sandbox import Sandbox, is_plain, parse


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a template with its variables filled in."""

    system: str
    user: str


def check_content(content: TemplateContent) -> TemplateContent:
    """The content, if its texts can be rendered as far as can be told without values. Raises
    `BadTemplate`."""
    names = [variable.name for variable in content.variables]
    for where in ("system", "user"):
        source: str = getattr(content, where)
        if not is_plain(source):
            try:
                parse(source, names)
            except BadTemplate as error:
                raise error.within(where) from None
    return content


async def render_texts(
    sandbox: Sandbox, content: TemplateContent, values: Mapping[str, object], owner: str
) -> Texts:
    """Both texts. Raises `BadTemplate`, `BadValues`, `Crowded`."""
    return Texts(
        system=await render_text(sandbox, content, "system", values, owner),
        user=await render_text(sandbox, content, "user", values, owner),
    )


async def render_text(
    sandbox: Sandbox, content: TemplateContent, where: Where, values: Mapping[str, object], owner: str
) -> str:
    """One of the texts, for this owner. Raises `BadTemplate`, `BadValues`, `Crowded`."""
    filled = fill_values(content.variables, values)
    try:
        return await sandbox.render(content.system if where == "system" else content.user, filled, owner)
    except BadTemplate as error:
        raise error.within(where) from None
