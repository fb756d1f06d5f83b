"""The tab of tester links: what happens on each, and making, changing and ending them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import gradio as gr
import segno

from webchat.api import Services
from webchat.console.asking import QUIET, Caller, handler, tell
from webchat.console.labels import Labels
from webchat.console.link_form import OFFERED, create_form, offered, read_form, values_of
from webchat.console.listing import MOST_SEARCHED, Listing, create_search
from webchat.console.paging import FIRST, Paged, Place, shown
from webchat.console.times import last_day, moment, plain, short
from webchat.sharing import LinkState, NewLink, change_link, duplicate_link, new_link, state_of
from webchat.store.errors import NotFound
from webchat.store.link_records import Link, ListedLink
from webchat.store.records import Page

MOST_SHOWN = 50
REFRESH_SECONDS = 4
COLUMNS = ("name", "state", "people", "messages", "tokens", "seen", "expires", "id")


@dataclass(frozen=True, slots=True)
class Button:
    """Something that can be done with a link. name: of the method and of the label. states: in which."""

    name: str
    states: frozenset[LinkState]


_OPEN: frozenset[LinkState] = frozenset({"active", "paused", "expired"})
BUTTONS = (
    Button("change", _OPEN),
    Button("pause", frozenset({"active"})),
    Button("reopen", frozenset({"paused"})),
    Button("duplicate", _OPEN | {"revoked"}),
    Button("revoke", _OPEN),
)


_STATES: dict[LinkState, str] = {
    "active": "console.links.active",
    "paused": "console.links.paused_state",
    "expired": "console.links.expired",
    "revoked": "console.links.revoked_state",
}


class Links(Paged):
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store

    async def offer(self, caller: Caller) -> list[Any]:
        """The choices of the form, in the caller's words."""
        return await offered(self._services, caller)

    async def show(self, caller: Caller, text: object = "", place: Place = FIRST) -> tuple[Any, ...]:
        """The table, the choice of a link, whether there is any, a note on there being none, and the table's
        pager."""
        wanted = text[:MOST_SEARCHED].strip() if isinstance(text, str) else ""
        page: Page[ListedLink] = await self._store.call(
            self._store.listed_links, text=wanted, cursor=place.cursor, limit=MOST_SHOWN
        )
        now = datetime.now(UTC)
        rows = [self._row(caller, one, now) for one in page.items]
        headers = [caller.t(f"console.links.{name}") for name in COLUMNS]
        choices = [_named(one.link) for one in page.items]
        note = "" if rows else caller.t("console.links.none_found" if wanted else "console.links.none")
        return (
            gr.Dataframe(rows, headers=headers, visible=bool(rows)),
            gr.Dropdown(choices=choices),
            gr.Column(visible=bool(rows)),
            gr.Markdown(note, visible=bool(note)),
            *shown(place, page.next),
        )

    async def tick(self, caller: Caller, id: str | None, text: object, place: Place) -> tuple[Any, Any]:
        """The numbers, while somebody looks at them."""
        table, *_ = await self.show(caller, text, place)
        return table, (await self.about(caller, id))[0]

    async def chosen(self, caller: Caller, row: Sequence[object]) -> gr.Dropdown:
        """The link in a row of the table, as the choice."""
        return _choice((await self._found(row[-1] if row else None)).link)

    async def about(self, caller: Caller, id: str | None) -> list[Any]:
        """What is said of the link, and which buttons there are for it."""
        if not id:
            return [gr.Markdown(visible=False), *(gr.Button(visible=False) for _ in BUTTONS)]
        found = await self._found(id)
        state = state_of(found.link, datetime.now(UTC))
        buttons = [gr.Button(visible=state in button.states) for button in BUTTONS]
        return [gr.Markdown(self._described(caller, found), visible=True), *buttons]

    async def save(self, caller: Caller, editing: str, *values: object) -> list[Any]:
        """A new link, or a changed one if `editing` names it: its URL and picture, and the empty form."""
        now = datetime.now(UTC)
        if editing:
            old = (await self._found(editing)).link
            name, expires, terms = read_form(values, old.terms)
            changed: Link = await self._store.call(
                change_link,
                self._store,
                old.id,
                now,
                name=name,
                lifetime=expires or None,
                terms=terms,
                profiles=self._services.profiles,
            )
            tell(caller, "console.links.changed", name=changed.name)
            return [*self._nothing_made(), _choice(changed), *self._form(caller, None)]
        name, expires, terms = read_form(values)
        made: NewLink = await self._store.call(
            new_link, self._store, name, expires, now, terms, self._services.profiles
        )
        return [*self._made(caller, made), _choice(made.link), *self._form(caller, None)]

    async def change(self, caller: Caller, id: str | None) -> list[Any]:
        """The form, filled with what the link has."""
        return self._form(caller, (await self._found(id)).link)

    async def cancel(self, caller: Caller) -> list[Any]:
        return self._form(caller, None)

    async def pause(self, caller: Caller, id: str | None) -> list[Any]:
        return await self._paused(caller, id, True)

    async def reopen(self, caller: Caller, id: str | None) -> list[Any]:
        return await self._paused(caller, id, False)

    async def duplicate(self, caller: Caller, id: str | None) -> list[Any]:
        found = await self._found(id)
        now = datetime.now(UTC)
        made: NewLink = await self._store.call(duplicate_link, self._store, found.link.id, now)
        return self._made(caller, made)

    async def revoke(self, caller: Caller, id: str | None) -> list[Any]:
        found = await self._found(id)
        await self._store.call(self._store.revoke_link, found.link.id)
        tell(caller, "console.links.was_revoked", name=found.link.name)
        return self._nothing_made()

    async def _paused(self, caller: Caller, id: str | None, paused: bool) -> list[Any]:
        found = await self._found(id)
        now = datetime.now(UTC)
        await self._store.call(change_link, self._store, found.link.id, now, paused=paused)
        said = "was_paused" if paused else "was_reopened"
        tell(caller, f"console.links.{said}", name=found.link.name)
        return self._nothing_made()

    async def _found(self, id: object) -> ListedLink:
        """Raises NotFound, also for what cannot be an id."""
        if not isinstance(id, str) or not 0 < len(id) <= 64:
            raise NotFound("link")
        found: ListedLink = await self._store.call(self._store.listed_link, id)
        return found

    def _made(self, caller: Caller, made: NewLink) -> list[Any]:
        """The URL, shown this once, and as a picture to scan."""
        url = made.url(self._services.base(caller.request))
        said = caller.t("console.links.url_once", name=made.link.name)
        picture = segno.make(url, error="m").svg_data_uri(scale=5, border=3, light="white")
        alt = caller.t("console.links.qr")
        return [gr.Textbox(url, label=said, visible=True), gr.Markdown(f"![{alt}]({picture})", visible=True)]

    def _nothing_made(self) -> list[Any]:
        return [gr.Textbox("", visible=False), gr.Markdown("", visible=False)]

    def _form(self, caller: Caller, link: Link | None) -> list[Any]:
        """Which link is edited, the form's heading and buttons, and its values."""
        title = (
            caller.t("console.links.new") if link is None else caller.t("console.links.edit", name=link.name)
        )
        save = caller.t("console.links.make" if link is None else "console.links.save")
        return [
            "" if link is None else link.id,
            gr.Accordion(label=title, open=link is not None),
            gr.Button(save),
            gr.Button(visible=link is not None),
            *values_of(link),
        ]

    def _row(self, caller: Caller, listed: ListedLink, now: datetime) -> list[str]:
        link, terms = listed.link, listed.link.terms
        state = caller.t(_STATES[state_of(link, now)])
        if listed.running:
            state = caller.t("console.links.writing", state=state, count=listed.running)
        seen = caller.t("console.never")
        if link.last_used_at is not None:
            seen = moment(caller, link.last_used_at, now)
        return [
            link.name,
            state,
            _of(link.uses, terms.people),
            _of(link.messages, terms.messages),
            _of(link.tokens + listed.reserved, terms.tokens),
            seen,
            "—" if link.expires_at is None else last_day(link.expires_at),
            link.id,
        ]

    def _described(self, caller: Caller, listed: ListedLink) -> str:
        link, terms = listed.link, listed.link.terms
        parts = [
            caller.t(_STATES[state_of(link, datetime.now(UTC))]),
            caller.t("console.links.with_people", count=_of(link.uses, terms.people)),
            caller.t("console.links.with_chats", count=_of(link.conversations, terms.conversations)),
            caller.t("console.links.with_messages", count=_of(link.messages, terms.messages)),
            caller.t("console.links.with_tokens", count=_of(link.tokens, terms.tokens)),
            caller.t("console.links.with_ratings", count=listed.ratings),
            *([", ".join(terms.models)] if terms.models else []),
        ]
        return f"**{plain(link.name)}** · " + " · ".join(map(plain, parts))


def _named(link: Link) -> tuple[str, str]:
    return f"{link.name} · {short(link.id)}", link.id


def _choice(link: Link) -> gr.Dropdown:
    """One link alone, since Gradio takes no value that it has not seen among the choices; all of them come
    with the next list."""
    return gr.Dropdown(choices=[_named(link)], value=link.id)


def _of(used: int, limit: int | None) -> str:
    return str(used) if limit is None else f"{used} / {limit}"


def create_links(page: gr.Blocks, tab: gr.Tab, services: Services, label: Labels) -> gr.Timer:
    """The tab's components and what they do."""
    links = Links(services)
    if services.access == "local":
        gr.Markdown(label("console.links.only_here"), elem_classes=["wc-note"])
    with gr.Row(elem_classes=["wc-bar"]):
        search = create_search(label, "links")
    listing = Listing(label, "links", "link", [one.name for one in BUTTONS], search)
    link = listing.choice
    with listing.card:
        url = gr.Textbox(visible=False, interactive=False, buttons=["copy"], elem_id="wc-links-url")
        qr = gr.Markdown(visible=False, elem_id="wc-links-qr")
    editing = gr.Textbox("", visible=False)
    with gr.Accordion(label("console.links.new"), open=False, elem_id="wc-links-form") as form:
        fields = create_form(label)
        with gr.Row(elem_classes=["wc-buttons"]):
            save = gr.Button(
                label("console.links.make"), variant="primary", min_width=0, elem_id="wc-links-save"
            )
            cancel = gr.Button(label("console.links.cancel"), visible=False, min_width=0)

    made, whole = [url, qr], [editing, form, save, cancel, *fields]
    page.load(handler("operator", links.offer), None, [fields[at] for at in OFFERED], **QUIET)
    listing.bind(links, [tab.select, search.submit])
    timer = gr.Timer(REFRESH_SECONDS, active=False)
    looked: Any = {"inputs": [link, *listing.wanted], "outputs": [listing.table, listing.about], **QUIET}
    timer.tick(handler("operator", links.tick), **looked)
    for one, button in listing.buttons.items():
        run = handler("operator", getattr(links, one))
        if one == "change":
            button.click(run, link, whole, **QUIET)
        else:
            listing.renew(button.click(run, link, made, **QUIET))
    cancel.click(handler("operator", links.cancel), None, whole, **QUIET)
    saved = save.click(handler("operator", links.save), [editing, *fields], [*made, link, *whole], **QUIET)
    listing.renew(saved, first=True)
    return timer
