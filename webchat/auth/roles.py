"""Who may do what. Routes and handlers name what they need; this is the one place that decides who has it.

Whose chats and templates are read is no matter of roles: the store's verbs take the owner, also of operators.
"""

from __future__ import annotations

from typing import Literal

from webchat.store.people_records import Session
from webchat.store.records import Owner, OwnerKind

Role = Literal["reader", "visitor", "tester", "member", "operator"]
"""`reader`: somebody without a cookie of ours, who may read what is shared with them. `visitor`: of an open
server, or by the link of a start. `tester`: by a tester link. `member`: signed in. `operator`: by the
operator's link, signed in as one, or at this machine without a link."""

Need = Literal["anyone", "owner", "tester", "member", "person", "operator"]
"""`owner`: of chats, so everybody but readers. `member`: operators too. `person`: somebody who signed in."""

_ROLES: dict[OwnerKind, Role] = {
    "visitor": "visitor",
    "guest": "tester",
    "member": "member",
    "operator": "operator",
    "local": "operator",
}


def role_of(owner: Owner | None) -> Role:
    return "reader" if owner is None else _ROLES[owner.kind]


def permits(need: Need, owner: Owner | None, session: Session | None = None) -> bool:
    """Whether an owner, with the session they signed in to if they did, has what is needed."""
    role = role_of(owner)
    match need:
        case "anyone":
            return True
        case "owner":
            return role != "reader"
        case "tester":
            return role == "tester"
        case "member":
            return role in ("member", "operator")
        case "person":
            return role in ("member", "operator") and session is not None
        case "operator":
            return role == "operator"
