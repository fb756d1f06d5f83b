"""Who may open a page and call its handlers."""

from __future__ import annotations

from typing import Literal

from webchat.auth.roles import Need, permits
from webchat.store.records import Owner

Role = Literal["operator", "member", "anyone"]
"""`member`: people who sign in, operators included. `anyone`: everybody whom the door admits."""

_NEEDS: dict[Role, Need] = {"operator": "operator", "member": "member", "anyone": "owner"}


def has_role(owner: Owner | None, needed: Role) -> bool:
    return permits(_NEEDS[needed], owner)
