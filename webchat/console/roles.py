"""Who may open a page and call its handlers."""

from __future__ import annotations

from typing import Literal

from webchat.store.records import Owner

Role = Literal["operator", "member", "anyone"]
"""`member`: people who sign in, operators included. `anyone`: everybody whom the door admits."""


def has_role(owner: Owner | None, needed: Role) -> bool:
    if owner is None:
        return False
    if needed == "operator":
        return owner.operates
    return needed == "anyone" or owner.operates or owner.kind == "member"
