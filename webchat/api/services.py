"""The collaborators of the routes, passed in by the composition root."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from starlette.requests import Request

from webchat.api.wire.moderation import Masking
from webchat.auth import Identities, Sessions, Ways
from webchat.auth.passwords.checking import Passwords
from webchat.auth.providers import Providers
from webchat.backups import Snapshots
from webchat.doctor import Finding
from webchat.feedback.jobs import JudgementExports, Trainings
from webchat.imports.background import Imports
from webchat.models import Models
from webchat.moderation.filters import Moderator
from webchat.moderation.trying_apart import RulesApart
from webchat.monitoring.monitor import Monitor
from webchat.prompts.sandbox import Sandbox
from webchat.sharing import Redeemer
from webchat.sharing.shares import Shares
from webchat.store import Store
from webchat.store.records import Owner
from webchat.turns import Review, Turns
from webchat.webhooks import Sender


@dataclass(frozen=True, slots=True)
class PageEntry:
    """A page of another package in the menu. titles: by language. shown: to whom."""

    name: str
    titles: Mapping[str, str]
    shown: Callable[[Owner], bool]


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators of the routes and the few settings they tell the page.

    boot: random id of this start of the server; the page notices by it that the server was restarted. review:
    of what people write. language: `auto`, `en` or `zh-CN`. message_chars: longest message. redeemer: `None`
    on a loopback start, where nobody needs a link. ways: how people come in; sessions: of those who sign in;
    passwords, providers: `None` where nobody signs in so; address: of this server, for providers to send
    people back to, `None` if each request's own; root_path: under which a proxy serves it; sign_out_url: of
    the proxy that signs people in. share_assets: where the pages of shares find the page's own files.
    sandbox: renders prompt templates. saving_templates: held while a model's chat template is saved.
    starters: whether those that come with the app are listed. moderators: in the order they act;
    profiles: those of tester links that name one, by name; rules_file: where both come from; rules_apart:
    tries others. masking: what is masked on the way to a model elsewhere. keeps_content, decisions_days:
    of the log of decisions. dropped_decisions: how many it lost. trash_days: how long what was deleted
    can be restored. pages: of other packages, in the menu. judgement_exports, trainings: what operators begin
    in the console; `None` where there is none. imports: `None` where
    nothing is imported. snapshots: `None` where none are made; ephemeral: whether all chats end with the next
    restart. monitor: how the server does; `None` where nobody counts. examine: the checks of the machine,
    all of them or, with true, the quick ones. sender: tells webhooks.
    """

    store: Store
    turns: Turns
    review: Review
    models: Models
    identities: Identities
    sessions: Sessions
    shares: Shares
    boot: str
    version: str
    access: Literal["local", "link", "open"] = "local"
    language: str = "auto"
    message_chars: int = 100_000
    redeemer: Redeemer | None = field(default=None, repr=False)
    ways: Ways = field(default_factory=Ways)
    passwords: Passwords | None = None
    providers: Providers | None = None
    address: str | None = None
    root_path: str = ""
    sign_out_url: str | None = None
    share_assets: str = ""
    moderators: Sequence[Moderator] = ()
    profiles: Mapping[str, Sequence[Moderator]] = field(default_factory=dict)
    rules_file: str | None = None
    rules_apart: RulesApart = field(default_factory=RulesApart)
    masking: Masking | None = None
    keeps_content: bool = False
    decisions_days: int = 90
    dropped_decisions: Callable[[], int] = int
    sandbox: Sandbox = field(default_factory=Sandbox)
    saving_templates: asyncio.Lock = field(default_factory=asyncio.Lock)
    starters: bool = True
    trash_days: int = 30
    pages: Sequence[PageEntry] = ()
    judgement_exports: JudgementExports | None = None
    trainings: Trainings | None = None
    imports: Imports | None = None
    snapshots: Snapshots | None = None
    ephemeral: bool = False
    monitor: Monitor | None = None
    examine: Callable[[bool], AsyncIterator[Finding]] | None = None
    sender: Sender = field(default_factory=Sender)

    def base(self, request: Request) -> str:
        """The address to hand out: the configured one, else that of the request."""
        if self.address:
            return self.address
        return f"{request.url.scheme}://{request.headers.get('host', '')}{self.root_path}"
