"""Ways to sign in, from the place where people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.test_sources import load
from webchat.settings import BadSettings

SSO = {
    "WEBCHAT_SIGN_IN": "password, oidc",
    "WEBCHAT_OIDC_ISSUER": "https://sso.example.org",
    "WEBCHAT_OIDC_CLIENT_ID": "webchat",
    "WEBCHAT_ALLOWED_PEOPLE": "@example.org, groups=staff",
}


def test_several_ways_are_read_together(tmp_path: Path) -> None:
    settings = load(tmp_path, environ=SSO).settings
    assert settings.sign_in == ("password", "oidc")
    assert settings.providers == ("oidc",)
    assert settings.door == "link", "nobody is let in unasked"
    lines = "".join(f"{name.removeprefix('WEBCHAT_').lower()} = {value!r}\n" for name, value in SSO.items())
    assert load(tmp_path, toml=lines).settings.sign_in == ("password", "oidc")


@pytest.mark.parametrize(
    "missing", ["WEBCHAT_OIDC_ISSUER", "WEBCHAT_OIDC_CLIENT_ID", "WEBCHAT_ALLOWED_PEOPLE"]
)
def test_a_way_that_lacks_something_says_what(missing: str, tmp_path: Path) -> None:
    rest = {name: value for name, value in SSO.items() if name != missing}
    with pytest.raises(BadSettings, match=missing.removeprefix("WEBCHAT_").lower()):
        load(tmp_path, environ=rest)


def test_signing_in_is_not_for_the_one_local_owner(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="leave access out"):
        load(tmp_path, environ={"WEBCHAT_SIGN_IN": "password", "WEBCHAT_ACCESS": "local"})


def test_on_a_space_with_sign_in_nobody_is_let_in_unasked(tmp_path: Path) -> None:
    assert load(tmp_path, environ={"SPACE_ID": "a/b"}).settings.door == "open"
    assert load(tmp_path, environ={"SPACE_ID": "a/b", **SSO}).settings.door == "link"
    chosen = {"SPACE_ID": "a/b", "WEBCHAT_ACCESS": "open", **SSO}
    assert load(tmp_path, environ=chosen).settings.door == "open"


@pytest.mark.parametrize("rule", ["*", "groups=staff"])
def test_a_rule_for_one_provider_does_not_hold_at_another(rule: str, tmp_path: Path) -> None:
    both = {**SSO, "WEBCHAT_SIGN_IN": "oidc, huggingface", "WEBCHAT_ALLOWED_PEOPLE": rule}
    with pytest.raises(BadSettings, match="several providers"):
        load(tmp_path, environ=both)
