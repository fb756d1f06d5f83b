"""The rules for who may enter."""

from __future__ import annotations

from typing import Any

import pytest

from webchat.auth.admitting import Identity, Rules, admits, email_of, name_of, rules_of

ORGS = [{"sub": "o1", "name": "Acme Inc", "preferred_username": "acme"}]


def person(address: str | None = None, **claims: Any) -> Identity:
    return Identity("https://sso.example.org", "ada-1", "Ada", address, claims)


@pytest.mark.parametrize(
    ("who", "entries", "admitted"),
    [
        (person("ada@example.org"), [], False),
        (person("ada@example.org"), ["*"], True),
        (person("ada@example.org"), ["ada@example.org"], True),
        (person("Ada@Example.ORG"), ["aDA@example.org"], True),
        (person("ada@example.org"), ["grace@example.org", "@example.org"], True),
        (person("ada@sub.example.org"), ["@example.org"], False),
        (person("ada@badexample.org"), ["@example.org"], False),
        (person("ada@example.org.evil.net"), ["@example.org"], False),
        (person("ada@ſite.example"), ["@site.example"], False),
        (person("ada@\u212aernel.example"), ["ada@kernel.example"], False),
        (person(None, email="ada@example.org"), ["ada@example.org", "@example.org"], False),
        (person(), ["@example.org"], False),
        (person(groups=["staff", "ops"]), ["groups=ops"], True),
        (person(groups="ops"), ["groups=ops"], True),
        (person(groups=["Ops"]), ["groups=ops"], False),
        (person(groups="devops"), ["groups=ops"], False),
        (person(groups=None), ["groups=ops"], False),
        (person(realm_access={"roles": ["chat"]}), ["realm_access.roles=chat"], True),
        (person(realm_access="chat"), ["realm_access.roles=chat"], False),
        (person(None, **{"https://a.example/roles": ["chat"]}), ["https://a.example/roles=chat"], True),
        (person(orgs=ORGS), ["orgs=acme"], True),
        (person(orgs=ORGS), ["orgs=o1"], True),
        (person(orgs=ORGS), ["orgs=Acme Inc"], False),  # anybody may call theirs so
        (person(staff=True), ["staff=true"], True),
        (person(staff=1), ["staff=true"], False),
        (person(level=3), ["level=2", "level=3"], True),
        (person(orgs=[{"sub": 1}, None, ["acme"], 2.5]), ["orgs=acme", "orgs=1"], False),
    ],
    ids=str,
)
def test_a_person_enters_by_any_rule(who: Identity, entries: list[str], admitted: bool) -> None:
    assert admits(who, rules_of(entries)) is admitted


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "ada",
        "@",
        "@@example.org",
        "a@b@c.d",
        "=staff",
        "groups=",
        "email=ada@a.b",
        "ada@example.org "[:3],
    ],
)
def test_other_texts_are_no_rules(entry: str) -> None:
    with pytest.raises(ValueError, match="write"):
        rules_of([entry])


def test_rules_say_which_claims_they_need() -> None:
    rules = rules_of(["groups=a", "groups=b", "realm_access.roles=c", "@example.org"])
    assert rules.needs == {"groups", "realm_access"}
    assert rules.claims["groups"] == {"a", "b"}
    assert Rules().needs == frozenset()


def test_a_person_is_not_shown_in_logs() -> None:
    assert "ada@" not in repr(person("ada@example.org", name="Ada Lovelace"))


@pytest.mark.parametrize("text", ["ada@example.org", "a.b+c@x", "李@例子.cn", "o'brien@example.org"])
def test_addresses(text: str) -> None:
    assert email_of(text) == text


@pytest.mark.parametrize(
    "text", [None, 5, "", "a", "@b", "a@", "a@.b", "a@b.", "a b@c", "a@b\n", "a,b@c", "a" * 250 + "@b.cd"]
)
def test_no_addresses(text: object) -> None:
    assert email_of(text) is None


def test_the_first_usable_name_counts() -> None:
    assert name_of(None, 5, " \n ", "\u202eAda\tLovelace ", "Grace") == "Ada Lovelace"
    assert name_of("") == ""
