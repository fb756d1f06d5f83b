"""What the routes work with, named in one place and handed to them by the composition root."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from webchat.auth import Cookies
from webchat.models import Models
from webchat.sharing import Redeemer
from webchat.store import Store
from webchat.turns import Turns


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators of the routes and the few settings they tell the page.

    boot: random id of this start of the server; the page notices by it that the server was restarted.
    language: `auto`, `en` or `zh-CN`. message_chars: longest message. redeemer: `None` on a loopback start,
    where nobody needs a link. secure_cookies: the page is reached by https although the last hop is plain
    http.
    """

    store: Store
    turns: Turns
    models: Models
    cookies: Cookies
    boot: str
    version: str
    access: Literal["local", "link", "open"] = "local"
    language: str = "auto"
    message_chars: int = 100_000
    redeemer: Redeemer | None = field(default=None, repr=False)
    secure_cookies: bool = False
