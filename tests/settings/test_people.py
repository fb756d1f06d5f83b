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


PROXY = {
    "WEBCHAT_SIGN_IN": "proxy",
    "WEBCHAT_TRUSTED_PROXIES": "127.0.0.1",
    "WEBCHAT_PROXY_HEADER": "Remote-User",
    "WEBCHAT_ALLOWED_PEOPLE": "*",
}


@pytest.mark.parametrize("missing", sorted(PROXY.keys() - {"WEBCHAT_SIGN_IN"}))
def test_a_proxy_is_believed_only_where_everything_is_said(missing: str, tmp_path: Path) -> None:
    assert load(tmp_path, environ=PROXY).settings.door == "link"
    rest = {name: value for name, value in PROXY.items() if name != missing}
    with pytest.raises(BadSettings, match=missing.removeprefix("WEBCHAT_").lower()):
        load(tmp_path, environ=rest)


@pytest.mark.parametrize(
    "name", ["Remote User", "Remote_User", "Rémote", "X-Forwarded-For", "cookie", "Host", ":"]
)
def test_only_a_header_of_its_own_can_name_people(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="proxy_header"):
        load(tmp_path, environ={**PROXY, "WEBCHAT_PROXY_HEADER": name})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"WEBCHAT_ALLOWED_PEOPLE": "@example.org"}, "needs proxy_email_header"),
        ({"WEBCHAT_OPERATOR_PEOPLE": "ada@example.org"}, "needs proxy_email_header"),
        ({"WEBCHAT_OPERATOR_PEOPLE": "groups=admins"}, "needs proxy_groups_header"),
        ({"WEBCHAT_OPERATOR_PEOPLE": "role=admin"}, "only sub and groups"),
        ({"WEBCHAT_PROXY_KEYS_URL": "https://keys.example.org"}, "proxy_issuer and proxy_audience"),
        ({"WEBCHAT_PROXY_AUDIENCE": "chat"}, "add proxy_keys_url"),
        ({"WEBCHAT_SIGN_IN": "proxy, huggingface"}, "several providers"),
        ({"WEBCHAT_SHARE": "true"}, "goes past the proxy"),
    ],
)
def test_a_rule_that_nothing_can_satisfy_stops_the_start(
    more: dict[str, str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(BadSettings, match=said):
        load(tmp_path, environ={**PROXY, **more})


def test_a_signed_header_is_set_up_by_its_issuer(tmp_path: Path) -> None:
    team = "https://team.cloudflareaccess.com"
    signed = {
        **PROXY,
        "WEBCHAT_PROXY_HEADER": "Cf-Access-Jwt-Assertion",
        "WEBCHAT_PROXY_KEYS_URL": f"{team}/cdn-cgi/access/certs",
        "WEBCHAT_PROXY_ISSUER": team,
        "WEBCHAT_PROXY_AUDIENCE": "4714c1358e65",
        "WEBCHAT_ALLOWED_PEOPLE": "@example.org",
        "WEBCHAT_PROXY_SIGN_OUT_URL": "/cdn-cgi/access/logout",
    }
    settings = load(tmp_path, environ=signed).settings
    assert settings.proxy_sign_out_url == "/cdn-cgi/access/logout"


@pytest.mark.parametrize(
    ("access", "sign_in", "now", "door"),
    [
        ("auto", "", (), "local"),
        ("local", "", (), "local"),
        ("link", "", ("link",), "link"),
        ("open", "", ("open",), "open"),
        ("auto", "password", ("password",), "link"),
        ("link", "password", ("password",), "link"),
        ("open", "password", ("open", "password"), "open"),
    ],
)
def test_the_former_access_is_part_of_sign_in(
    access: str, sign_in: str, now: tuple[str, ...], door: str, tmp_path: Path
) -> None:
    environ = {"WEBCHAT_SIGN_IN": sign_in}
    for loaded in (
        load(tmp_path, environ={"WEBCHAT_ACCESS": access, **environ}),
        load(tmp_path, flags={"access": access}, environ=environ),
        load(tmp_path, toml=f'access = "{access}"\n', environ=environ),
    ):
        assert (loaded.settings.sign_in, loaded.settings.door) == (now, door)
        said = ", ".join(now) or "none"
        assert [note for note in loaded.notes if note.endswith(f"is now said by sign_in = {said}.")]
        (tmp_path / "webchat.toml").unlink(missing_ok=True)
        again = load(tmp_path, environ={"WEBCHAT_SIGN_IN": said})
        assert (again.settings.sign_in, again.settings.door, again.notes) == (now, door, ())


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"WEBCHAT_ACCESS": "everyone"}, "WEBCHAT_ACCESS"),
        ({"WEBCHAT_ACCESS": "open", "WEBCHAT_SIGN_IN": "link"}, "leave access out"),
        ({"WEBCHAT_ACCESS": "link", "WEBCHAT_SIGN_IN": "open, password"}, "leave access out"),
        ({"WEBCHAT_SIGN_IN": "none, password"}, "sign_in"),
    ],
)
def test_two_answers_to_who_comes_in_stop_the_start(
    environ: dict[str, str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(BadSettings, match=said):
        load(tmp_path, environ=environ)


@pytest.mark.parametrize(
    ("environ", "door"),
    [
        ({}, "open"),
        ({"WEBCHAT_SIGN_IN": "link"}, "link"),
        ({"WEBCHAT_ACCESS": "link"}, "link"),
        ({"WEBCHAT_ACCESS": "open"}, "open"),
        ({"WEBCHAT_SIGN_IN": "password"}, "link"),
        ({"WEBCHAT_SIGN_IN": "none"}, "link"),
    ],
)
def test_a_space_is_open_unless_told_otherwise(environ: dict[str, str], door: str, tmp_path: Path) -> None:
    assert load(tmp_path, environ={"SPACE_ID": "a/b", **environ}).settings.door == door
