"""The tab of API keys: everybody's, making one for a person, and revoking them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.auth.api_keys import NewKey, new_key, read_key_terms
from webchat.auth.api_keys.making import MOST_NAME
from webchat.console.asking import QUIET, Caller, handler, refuse, tell
from webchat.console.confirming import Question, asked, unasked
from webchat.console.labels import Labels
from webchat.console.listing import MOST_SEARCHED, Listing, create_search
from webchat.console.paging import FIRST, Paged, Place, shown
from webchat.console.times import last_day, moment, person_name, plain, short
from webchat.store.errors import NotFound
from webchat.store.key_records import SCOPES, ApiKey, KeyTerms, ListedKey
from webchat.store.people_records import Person
from webchat.store.records import Page

MOST_SHOWN = 50
MOST_PEOPLE = 100
COLUMNS = ("name", "owner", "scopes", "models", "limits", "used", "expires", "id")
COUNTS = ("requests_per_minute", "tokens_per_day", "at_once")
DEFAULT_LIFETIME = "90d"


class Keys(Paged):
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, services: Services) -> None:
        self._models = services.models
        self._store = services.store
        self._owners = services.identities.owners

    async def offer(self, caller: Caller) -> list[Any]:
        """The choices of the form, in the caller's words."""
        scopes = [(caller.t(f"console.keys.scope.{scope}"), scope) for scope in SCOPES]
        models = [info.name for info in self._models.infos() if not info.unlisted]
        return [
            gr.CheckboxGroup(choices=scopes, value=list(SCOPES)),
            gr.Dropdown(choices=models),
            *(await self.find(caller, "")),
        ]

    async def find(self, caller: Caller, text: object) -> list[Any]:
        """Whose a new key can be, and whether it takes a search to find them."""
        wanted = _line(text)
        page: Page[Person] = await self._store.call(self._store.search_people, wanted, MOST_PEOPLE)
        choices = {person.owner_id: person_name(person) for person in page.items}
        if not wanted:
            operators = await self._store.call(self._store.operators)
            others = {one.id: f"{one.name} · {short(one.id)}" for one in operators}
            choices = {caller.owner.id: caller.t("console.keys.me")} | others | choices
            choices[caller.owner.id] = caller.t("console.keys.me")
        value = caller.owner.id if not wanted else next(iter(choices), None)
        return [
            gr.Dropdown(choices=[(name, id) for id, name in choices.items()], value=value),
            gr.Textbox(visible=bool(wanted) or page.next is not None),
        ]

    async def show(self, caller: Caller, text: object, place: Place = FIRST) -> tuple[Any, ...]:
        """The table, the choice of a key, whether there is any, a note on there being none, and the table's
        pager."""
        wanted = _line(text)
        page: Page[ListedKey] = await self._store.call(
            self._store.listed_keys, text=wanted, cursor=place.cursor, limit=MOST_SHOWN
        )
        now = datetime.now(UTC)
        rows = [_row(caller, one, now) for one in page.items]
        headers = [caller.t(f"console.keys.{name}") for name in COLUMNS]
        note = "" if rows else caller.t("console.keys.none_found" if wanted else "console.keys.none")
        return (
            gr.Dataframe(rows, headers=headers, visible=bool(rows)),
            gr.Dropdown(choices=[_named(one.key) for one in page.items]),
            gr.Column(visible=bool(rows)),
            gr.Markdown(note, visible=bool(note)),
            *shown(place, page.next),
        )

    async def chosen(self, caller: Caller, row: Sequence[object]) -> gr.Dropdown:
        """The key in a row of the table, as the choice."""
        return _choice((await self._found(row[-1] if row else None)).key)

    async def about(self, caller: Caller, id: str | None) -> list[Any]:
        """What is said of the key, and whether it can be revoked."""
        if not id:
            return [gr.Markdown(visible=False), gr.Button(visible=False)]
        found = await self._found(id)
        said = gr.Markdown(_described(caller, found, datetime.now(UTC)), visible=True)
        return [said, gr.Button(visible=found.key.revoked_at is None)]

    async def make(
        self,
        caller: Caller,
        name: object,
        person: object,
        expires: object,
        scopes: object,
        models: object,
        stored: object,
        *counts: object,
    ) -> list[Any]:
        """A new key: shown this once, and chosen; the name is emptied."""
        if not isinstance(person, str) or not person:
            raise refuse(caller, "console.keys.needs_person")
        limits = {one: count or None for one, count in zip(COUNTS, counts, strict=False)}
        terms = read_key_terms({"scopes": scopes, "models": models or [], "stored": stored, **limits})
        made: NewKey = await self._store.call(
            new_key, self._store, person, _line(name), _line(expires), datetime.now(UTC), terms
        )
        said = caller.t("console.keys.key_once", name=made.key.name)
        return [gr.Textbox(made.token, label=said, visible=True), _choice(made.key), ""]

    async def revoke(self, caller: Caller, id: str | None) -> list[Any]:
        """What revoking would do, and the buttons to do it or not."""
        found = await self._found(id)
        words = {"name": plain(found.key.name), "owner": plain(_owner(caller, found))}
        return asked(found.key.id, caller.t("console.keys.revokes", **words))

    async def revoke_now(self, caller: Caller, id: str | None, about: str | None) -> list[Any]:
        """Revoke the key that was asked about; none, if another was chosen since."""
        found = await self._found(about)
        if about != id:
            return [gr.skip(), *unasked()]
        await self._store.call(self._store.revoke_key, None, found.key.id)
        self._owners.forget_key(found.key.id)
        tell(caller, "console.keys.was_revoked", name=found.key.name, owner=_owner(caller, found))
        return [gr.Textbox("", visible=False), *unasked()]

    async def _found(self, id: object) -> ListedKey:
        """Raises NotFound, also for what cannot be an id."""
        if not isinstance(id, str) or not 0 < len(id) <= 64:
            raise NotFound("key")
        found: ListedKey = await self._store.call(self._store.listed_key, id)
        return found


def _named(key: ApiKey) -> tuple[str, str]:
    return f"{key.name} · {key.prefix}…", key.id


def _choice(key: ApiKey) -> gr.Dropdown:
    """One key alone, since Gradio takes no value that it has not seen among the choices."""
    return gr.Dropdown(choices=[_named(key)], value=key.id)


def _owner(caller: Caller, listed: ListedKey) -> str:
    return listed.owner or caller.t("console.keys.this_machine")


def _row(caller: Caller, listed: ListedKey, now: datetime) -> list[str]:
    key = listed.key
    return [
        key.name,
        _owner(caller, listed),
        _scopes(caller, key.terms),
        ", ".join(key.terms.models) or caller.t("console.keys.all_models"),
        ", ".join(_limits(caller, key, now)) or "—",
        caller.t("console.never") if key.last_used_at is None else moment(caller, key.last_used_at, now),
        _ends(caller, key, now),
        key.id,
    ]


def _described(caller: Caller, listed: ListedKey, now: datetime) -> str:
    key = listed.key
    parts = [
        f"{key.prefix}…",
        _owner(caller, listed),
        _scopes(caller, key.terms),
        *key.terms.models,
        *_limits(caller, key, now),
        *([] if key.terms.stored else [caller.t("console.keys.not_stored")]),
        caller.t("console.keys.created", when=moment(caller, key.created_at, now)),
    ]
    return f"**{plain(key.name)}** · " + " · ".join(map(plain, parts))


def _scopes(caller: Caller, terms: KeyTerms) -> str:
    return ", ".join(caller.t(f"keys.short.{scope}") for scope in SCOPES if scope in terms.scopes)


def _limits(caller: Caller, key: ApiKey, now: datetime) -> list[str]:
    terms, used = key.terms, key.tokens if key.day == now.date().isoformat() else 0
    counts = {
        "keys.limit.requests_per_minute": terms.requests_per_minute,
        "console.keys.per_day": terms.tokens_per_day,
        "keys.limit.at_once": terms.at_once,
    }
    return [
        caller.t(name, count=f"{count:,}", used=f"{used:,}")
        for name, count in counts.items()
        if count is not None
    ]


def _ends(caller: Caller, key: ApiKey, now: datetime) -> str:
    if end := key.end(now):
        return caller.t("console.keys.is_revoked" if end == "key_revoked" else "console.keys.is_expired")
    if key.expires_at is None:
        return caller.t("console.keys.never")
    return last_day(key.expires_at)


def _line(text: object) -> str:
    return text[:MOST_SEARCHED].strip() if isinstance(text, str) else ""


def _create_form(label: Labels) -> tuple[list[Any], gr.Textbox]:
    """The components in the order of `Keys.make`, and the search for a person."""

    def named(name: str, room: str = "console.keys") -> Any:
        return {"label": label(f"{room}.{name}"), "elem_id": f"wc-key-{name}"}

    with gr.Row():
        name = gr.Textbox(max_length=MOST_NAME, **named("name"))
        expires = gr.Textbox(
            DEFAULT_LIFETIME, max_length=40, info=label("console.keys.expires_hint"), **named("expires")
        )
    with gr.Row():
        find = gr.Textbox(max_length=MOST_SEARCHED, visible=False, **named("find"))
        person = gr.Dropdown(choices=[], info=label("console.keys.person_hint"), **named("person"))
        models = gr.Dropdown(
            choices=[], multiselect=True, info=label("console.keys.models_hint"), **named("models")
        )
    scopes = gr.CheckboxGroup(choices=[], **named("scopes"))
    stored = gr.Checkbox(True, **named("stored"))
    gr.Markdown(label("console.keys.counts"), elem_classes=["wc-heading"])
    with gr.Row(elem_classes=["wc-numbers"]):
        counts = [gr.Number(0, precision=0, minimum=0, min_width=140, **named(one, "keys")) for one in COUNTS]
    return [name, person, expires, scopes, models, stored, *counts], find


def create_keys(page: gr.Blocks, tab: gr.Tab, services: Services, label: Labels) -> None:
    """The tab's components and what they do."""
    keys = Keys(services)
    with gr.Row(elem_classes=["wc-bar"]):
        search = create_search(label, "keys")
        refresh = gr.Button(label("console.refresh"), scale=0, min_width=110)
    listing = Listing(label, "keys", "key", ["revoke"], search)
    key = listing.choice
    revoking = Question(label, "keys", "console.keys.revoke_now", key)
    token = gr.Textbox(visible=False, interactive=False, buttons=["copy"], elem_id="wc-keys-token")
    with gr.Accordion(label("console.keys.new"), open=False, elem_id="wc-keys-form"):
        fields, find = _create_form(label)
        with gr.Row(elem_classes=["wc-buttons"]):
            make = gr.Button(
                label("console.keys.make"), variant="primary", min_width=0, elem_id="wc-keys-make"
            )
    name, person, _, scopes, models, *_ = fields

    page.load(handler("operator", keys.offer), None, [scopes, models, person, find], **QUIET)
    find.submit(handler("operator", keys.find), find, [person, find], **QUIET)
    listing.bind(keys, [tab.select, refresh.click, search.submit])
    listing.buttons["revoke"].click(handler("operator", keys.revoke), key, revoking.parts, **QUIET)
    revoked = revoking.yes.click(
        handler("operator", keys.revoke_now), [key, revoking.about], [token, *revoking.parts], **QUIET
    )
    listing.renew(revoked)
    made = make.click(handler("operator", keys.make), fields, [token, key, name], **QUIET)
    listing.renew(made, first=True)
