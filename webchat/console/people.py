"""The tab of people: who signs in, and what operators do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.auth.passwords.accounts import add_account, reset_password
from webchat.auth.passwords.checking import MOST_NAME_CHARS
from webchat.console.asking import QUIET, Caller, handler, refuse, tell
from webchat.console.confirming import Question, asked, unasked
from webchat.console.labels import Labels
from webchat.console.listing import MOST_SEARCHED, Listing, create_search
from webchat.console.paging import FIRST, Paged, Place, shown
from webchat.console.times import moment, person_name, plain
from webchat.store.errors import NotFound
from webchat.store.people_records import PASSWORD_ISSUER, Person
from webchat.store.records import Page
from webchat.turns.deleting import Deleting

MOST_SHOWN = 50

COLUMNS = ("name", "way", "role", "seen", "state", "id")


class People(Paged):
    """The handlers. Each returns new values of components, in the order of `outputs` where it is bound."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._deleting = Deleting(services.store, services.turns)

    async def show(self, caller: Caller, text: object, place: Place = FIRST) -> tuple[Any, ...]:
        """The table, the choice of a person, whether there is any, what to know about the table, and its
        pager."""
        wanted = _line(text, MOST_SEARCHED)
        page: Page[Person] = await self._store.call(
            self._store.search_people, wanted, MOST_SHOWN, place.cursor
        )
        people = page.items
        rows = [self._row(caller, person) for person in people]
        headers = [caller.t(f"console.people.{name}") for name in COLUMNS]
        choices = [(person_name(person), person.owner_id) for person in people]
        note = self._note(caller, wanted, len(people))
        return (
            gr.Dataframe(rows, headers=headers, visible=bool(rows)),
            gr.Dropdown(choices=choices),
            gr.Column(visible=bool(rows)),
            gr.Markdown(note, visible=bool(note)),
            *shown(place, page.next),
        )

    async def chosen(self, caller: Caller, row: Sequence[object]) -> gr.Dropdown:
        """The person in a row of the table, as the choice."""
        person = await self._found(row[-1] if row else None)
        return gr.Dropdown(choices=[(person_name(person), person.owner_id)], value=person.owner_id)

    async def about(self, caller: Caller, id: str | None) -> list[Any]:
        """What is said of the person, and which buttons there are for them."""
        if not id:
            return [gr.Markdown(visible=False), *(gr.Button(visible=False) for _ in BUTTONS)]
        person = await self._found(id)
        buttons = [gr.Button(visible=button.fits(person)) for button in BUTTONS]
        return [gr.Markdown(self._described(caller, person), visible=True), *buttons]

    async def add(self, caller: Caller, name: str, operates: bool) -> tuple[gr.Textbox, str, Any]:
        """A new account. Returns its password, an empty name, and the person."""
        if self._services.passwords is None:
            raise refuse(caller, "console.people.no_passwords")
        person, password = await add_account(
            self._store, self._services.passwords, _line(name, 2 * MOST_NAME_CHARS), operates=operates is True
        )
        return _told_once(caller, person, password), "", False

    async def disable(self, caller: Caller, id: str | None) -> gr.Textbox:
        return await self._disabled(caller, id, True)

    async def enable(self, caller: Caller, id: str | None) -> gr.Textbox:
        return await self._disabled(caller, id, False)

    async def promote(self, caller: Caller, id: str | None) -> gr.Textbox:
        return await self._operates(caller, id, True)

    async def demote(self, caller: Caller, id: str | None) -> gr.Textbox:
        return await self._operates(caller, id, False)

    async def sign_out(self, caller: Caller, id: str | None) -> gr.Textbox:
        person = await self._found(id)
        ended = await self._store.call(self._store.end_sessions, person.owner_id)
        tell(caller, "console.people.signed_out", name=person_name(person), count=ended)
        return _nothing_told()

    async def reset(self, caller: Caller, id: str | None) -> gr.Textbox:
        person = await self._found(id)
        if self._services.passwords is None or person.issuer != PASSWORD_ISSUER:
            raise refuse(caller, "console.people.no_password")
        person, password = await reset_password(self._store, self._services.passwords, person.owner_id)
        return _told_once(caller, person, password)

    async def remove(self, caller: Caller, id: str | None) -> list[Any]:
        """What removing the person would delete, and the buttons to do it or not."""
        person = await self._found(id)
        count = await self._store.call(self._store.count_person_chats, person.owner_id)
        said = caller.t("console.people.removes", name=plain(person_name(person)), count=count)
        return asked(person.owner_id, said)

    async def remove_now(self, caller: Caller, id: str | None, about: str | None) -> list[Any]:
        """Remove the person that was asked about; nobody, if another was chosen since."""
        person = await self._found(about)
        if about != id:
            return [gr.skip(), *unasked()]
        count = await self._deleting.person(person.owner_id)
        tell(caller, "console.people.is_removed", name=person_name(person), count=count)
        return [gr.Dropdown(value=None), *unasked()]

    async def _disabled(self, caller: Caller, id: str | None, disabled: bool) -> gr.Textbox:
        person = await self._found(id)
        await self._store.call(self._store.set_disabled, person.owner_id, disabled, spare_last=True)
        said = "disabled" if disabled else "enabled"
        tell(caller, f"console.people.is_{said}", name=person_name(person))
        return _nothing_told()

    async def _operates(self, caller: Caller, id: str | None, operates: bool) -> gr.Textbox:
        person = await self._found(id)
        await self._store.call(self._store.set_operates, person.owner_id, operates, spare_last=True)
        said = "promoted" if operates else "demoted"
        tell(caller, f"console.people.is_{said}", name=person_name(person))
        return _nothing_told()

    async def _found(self, id: object) -> Person:
        """Raises NotFound, also for what cannot be an id."""
        if not isinstance(id, str) or not 0 < len(id) <= 64:
            raise NotFound("person")
        person: Person = await self._store.call(self._store.person, id)
        return person

    def _row(self, caller: Caller, person: Person) -> list[str]:
        role = "operator" if person.operates else "member"
        return [
            person_name(person),
            self._way(caller, person),
            caller.t(f"console.role.{role}"),
            caller.t("console.never") if person.seen_at is None else moment(caller, person.seen_at),
            "" if person.disabled_at is None else caller.t("console.people.disabled"),
            person.owner_id,
        ]

    def _way(self, caller: Caller, person: Person) -> str:
        return caller.t("console.people.by_password") if person.issuer == PASSWORD_ISSUER else person.issuer

    def _described(self, caller: Caller, person: Person) -> str:
        parts = [
            caller.t(f"console.role.{'operator' if person.operates else 'member'}"),
            self._way(caller, person),
            *([] if person.email is None else [person.email]),
            caller.t("console.people.since", when=moment(caller, person.created_at)),
        ]
        if person.disabled_at is not None:
            parts.append(caller.t("console.people.disabled_since", when=moment(caller, person.disabled_at)))
        return f"**{plain(person_name(person))}** · " + " · ".join(map(plain, parts))

    def _note(self, caller: Caller, wanted: str, count: int) -> str:
        if count:
            return ""
        if wanted:
            return caller.t("console.people.none_found")
        signs_in = self._services.ways.people
        return caller.t("console.people.nobody" if signs_in else "console.people.nobody_signs_in")


@dataclass(frozen=True, slots=True)
class Button:
    """Something that can be done about a person. name: of the method and of the label."""

    name: str

    def fits(self, person: Person) -> bool:
        able = person.disabled_at is None
        return {
            "promote": not person.operates,
            "demote": person.operates,
            "sign_out": able,
            "reset": person.issuer == PASSWORD_ISSUER,
            "disable": able,
            "enable": not able,
            "remove": True,
        }[self.name]


BUTTONS = tuple(map(Button, ("promote", "demote", "sign_out", "reset", "disable", "enable", "remove")))


def create_people(_page: gr.Blocks, tab: gr.Tab, services: Services, label: Labels) -> None:
    """The tab's components and what they do."""
    people = People(services)
    with gr.Row(elem_classes=["wc-bar"]):
        search = create_search(label, "people")
        refresh = gr.Button(label("console.refresh"), scale=0, min_width=110)
    listing = Listing(label, "people", "person", [one.name for one in BUTTONS], search)
    person = listing.choice
    removal = Question(label, "people", "console.people.remove_now", person)
    told = gr.Textbox(visible=False, interactive=False, buttons=["copy"], elem_id="wc-people-password")
    with gr.Column(elem_classes=["wc-card"], visible=services.passwords is not None):
        gr.Markdown(label("console.people.add_title"))
        with gr.Row(elem_classes=["wc-bar"]):
            name = gr.Textbox(
                label=label("console.people.user_name"), max_length=MOST_NAME_CHARS, elem_id="wc-people-name"
            )
            operates = gr.Checkbox(label=label("console.people.as_operator"), elem_id="wc-people-operates")
        add = gr.Button(label("console.people.add"), variant="primary", elem_id="wc-people-add")

    listing.bind(people, [tab.select, refresh.click, search.submit])
    for one, button in listing.buttons.items():
        run = handler("operator", getattr(people, one))
        if one == "remove":
            button.click(run, person, removal.parts, **QUIET)
        else:
            listing.renew(button.click(run, person, told, **QUIET))
    removed = removal.yes.click(
        handler("operator", people.remove_now), [person, removal.about], [person, *removal.parts], **QUIET
    )
    listing.renew(removed)
    added = add.click(handler("operator", people.add), [name, operates], [told, name, operates], **QUIET)
    listing.renew(added)


def _told_once(caller: Caller, person: Person, password: str) -> gr.Textbox:
    """A box with a password that is not shown again."""
    said = caller.t("console.people.password_once", name=person_name(person))
    return gr.Textbox(password, label=said, visible=True)


def _nothing_told() -> gr.Textbox:
    return gr.Textbox("", visible=False)


def _line(text: object, most: int) -> str:
    return text[:most].strip() if isinstance(text, str) else ""
