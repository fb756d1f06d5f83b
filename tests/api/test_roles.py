"""Every route for every role, over what is its own, another's, and nobody's, people who sign in included.

The table of routes is that of `test_access.py`, where a route without a row fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_type_hints

import httpx
import pytest

from tests.api.conftest import MakeSite, Site
from tests.api.test_access import CANARY_WORDS, NOBODYS, ROWS, Row, _call, _ids, local_client
from webchat.api.reading import Caller, Guest, Member, Operator, SignedIn
from webchat.api.routes import TABLE
from webchat.auth import Need, Ways, permits, role_of
from webchat.auth.passwords.checking import hash_password
from webchat.store.records import Owner

WAYS = Ways(link=True, password=True)
PEOPLE = ("member", "chief")
CHECKS = ("/sign-in/password", "/t/redeem", "/api/handover/redeem")
"""Tell everybody alike that what was sent opens nothing."""

NEEDS: dict[object, Need] = {
    Operator: "operator",
    Guest: "tester",
    Member: "member",
    SignedIn: "person",
    Caller: "owner",
}
DECLARED = {
    (row.method, row.path): next(
        (
            need
            for hint, need in NEEDS.items()
            if hint in get_type_hints(row.endpoint, include_extras=True).values()
        ),
        "anyone",
    )
    for _, rows in TABLE
    for row in rows
}
"""What each route says it needs."""


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password("a long enough one")


class Cast:
    """Everybody there is, each with a client: what they are is in the name."""

    def __init__(self, site: Site, hashed: str) -> None:
        self._site = site
        self._hashed = hashed
        self._people: dict[str, Owner] = {}

    def client(self, kind: str, name: str = "intruder") -> httpx.AsyncClient:
        site = self._site
        made: dict[str, Callable[[], httpx.AsyncClient]] = {
            "nobody": lambda: site.client(None),
            "visitor": lambda: site.client(site.visitor(name)),
            "guest": lambda: site.client(site.guest(name, shares=name != "intruder")[0]),
            "operator": lambda: site.client(site.operating()),
            "local": lambda: local_client(site),
            "member": lambda: self.session(name)[1],
            "chief": lambda: self.session(name, operates=True)[1],
            "disabled": lambda: self._disabled(name),
        }
        return made[kind]()

    def session(self, name: str, *, operates: bool = False) -> tuple[str, httpx.AsyncClient]:
        """chief: an operator who signed in."""
        known = f"{name} {operates}"
        if known not in self._people:
            self._people[known] = self._site.person(
                f"{name}{operates}".lower(), self._hashed, operates=operates
            )
        return self._site.session(self._people[known])

    def _disabled(self, name: str) -> httpx.AsyncClient:
        store, known = self._site.store, self._people.get(f"{name} disabled False")
        if known is not None:
            store.set_disabled(known.id, False)
        client = self.session(f"{name} disabled")[1]
        store.set_disabled(self._people[f"{name} disabled False"].id, True)
        return client


def expected(row: Row, kind: str, *, own: bool) -> int:
    if kind in ("nobody", "disabled"):
        return row.stranger
    if kind in PEOPLE and row.person is not None:
        return row.person if own or row.foreign_person is None else row.foreign_person
    theirs = row.theirs(kind)
    if theirs is not None:
        return theirs
    return row.own if own else row.foreign


def last_out(row: Row) -> bool:
    """Signing out is the last thing one does."""
    return row.path == "/api/sign-out"


SORTED = sorted((row for row in ROWS if row.path not in CHECKS), key=last_out)


def test_every_route_declares_what_its_row_says() -> None:
    for row in ROWS:
        if row.path == "/api/{rest:path}" or row.path.startswith("/v1"):
            continue
        needed = DECLARED[row.key]
        assert (needed == "operator") == (row.operates is not None), row.key
        assert (needed == "member") == (row.member is not None), row.key
        assert (needed == "person") == (row.person is not None and not last_out(row)), row.key
        refused = row.guest == 403  # an owner's, but not a guest's
        assert (needed == "tester") == (row.guest is not None and not refused), row.key
        assert (needed == "anyone") == (row.stranger != 401), row.key


def test_roles_have_what_they_need_and_nothing_more(site: Site, hashed: str) -> None:
    person, chief = site.person("ada", hashed), site.person("eve", hashed, operates=True)
    session = site.store.start_session(person.id, "0" * 64, "")
    everybody = {
        "reader": None,
        "visitor": site.visitor(),
        "tester": site.guest()[0],
        "member": person,
        "operator": chief,
    }
    assert {name: role_of(owner) for name, owner in everybody.items()} == {name: name for name in everybody}
    assert role_of(site.store.local_owner()) == role_of(site.operating()) == "operator"
    has: dict[Need, set[str]] = {
        "anyone": {*everybody},
        "owner": {*everybody} - {"reader"},
        "tester": {"tester"},
        "member": {"member", "operator"},
        "person": {"member", "operator"},
        "operator": {"operator"},
    }
    for need, roles in has.items():
        assert {name for name, owner in everybody.items() if permits(need, owner, session)} == roles
    assert not permits("person", chief)


@pytest.mark.parametrize("kind", PEOPLE)
async def test_people_reach_what_is_theirs(make_site: MakeSite, hashed: str, kind: str) -> None:
    async with make_site(ways=WAYS) as site:
        cast = Cast(site, hashed)
        client = cast.client(kind, "Ada")
        other, _ = cast.session("Ada", operates=kind == "chief")
        ids = {**await _ids(site, client), "session": other}
        for row in SORTED:
            answer = await _call(site, client, row, ids)
            assert answer.status_code == expected(row, kind, own=True), (row.key, answer.text)
        assert (await client.get("/api/me")).status_code == 401


STRANGERS = {
    "nobody": ("visitor",),
    "disabled": ("member",),
    "visitor": ("visitor", "guest"),
    "guest": ("visitor", "guest"),
    "operator": ("guest",),
    "local": ("visitor",),
    "member": ("visitor", "member", "chief"),
    "chief": ("guest", "member"),
}
"""Who asks for what is whose. Only the owner's id decides, so not everybody needs to meet everybody; of
accounts and sessions, all pairs do."""


@pytest.mark.parametrize(("kind", "owners"), STRANGERS.items(), ids=STRANGERS)
async def test_nobody_tells_what_is_anothers_from_nothing(
    make_site: MakeSite, hashed: str, kind: str, owners: tuple[str, ...]
) -> None:
    async with make_site(ways=WAYS) as site:
        cast = Cast(site, hashed)
        names = ("id", "reply", "user", "template", "giver", "session", "share", "comparison")
        nothing = dict.fromkeys(names, NOBODYS)
        missing: dict[tuple[str, str], str] = {}
        for whose in owners:
            owner = cast.client(whose, "Ada")
            ids = await _ids(site, owner)
            if whose in PEOPLE:
                ids["session"] = cast.session("Ada", operates=whose == "chief")[0]
            client = cast.client(kind)
            for row in SORTED:
                answer = await _call(site, client, row, ids)
                assert answer.status_code == expected(row, kind, own=False), (row.key, whose, answer.text)
                assert CANARY_WORDS not in answer.text, row.key
                if answer.status_code in (401, 404):
                    if row.key not in missing:
                        missing[row.key] = (await _call(site, client, row, nothing)).text
                    assert answer.text == missing[row.key], (row.key, whose)
            left = (await owner.get(f"/api/conversations/{ids['id']}")).json()
            assert left["conversation"]["title"] == f"Title {CANARY_WORDS}"
            assert len(left["messages"]) == 2
            if whose in PEOPLE:
                listed = (await owner.get("/api/me/sessions")).json()["sessions"]
                assert ids["session"] in {one["id"] for one in listed}
