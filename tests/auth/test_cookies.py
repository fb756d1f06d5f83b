import os
import stat
from pathlib import Path
from typing import Any

import pytest
from itsdangerous import TimestampSigner

from webchat.auth import Cookies, load_or_make_secret
from webchat.auth.cookies import MOST_OWNERS, OLD_NAME, SignIn

SECRET = "s" * 43


def _sent(*headers: str) -> list[tuple[bytes, bytes]]:
    """The header a browser sends back for some `Set-Cookie`s."""
    return [(b"cookie", "; ".join(header.partition(";")[0] for header in headers).encode())]


def _owner(cookies: Cookies, *headers: str, **asked: Any) -> str | None:
    cookie = cookies.read(_sent(*headers), **asked).cookie
    return None if cookie is None else cookie.owner_id


def test_a_signed_cookie_names_its_owner_and_who_they_were() -> None:
    cookies = Cookies(SECRET)
    found = cookies.read(_sent(cookies.header("owner-1", ["owner-0", "owner-1"], secure=False))).cookie
    assert found is not None
    assert found.owners == ("owner-1", "owner-0")
    assert not found.stale


def test_a_browser_remembers_the_last_few_owners() -> None:
    cookies = Cookies(SECRET)
    header = cookies.header("a" * 36, [f"{n:036}" for n in range(40)], secure=True)
    found = cookies.read(_sent(header)).cookie
    assert found is not None
    assert len(found.owners) == MOST_OWNERS
    assert len(header) < 1000


@pytest.mark.parametrize("position", range(0, 75, 3))
def test_a_changed_cookie_names_nobody(position: int) -> None:
    cookies = Cookies(SECRET)
    name, value = cookies.header("owner-1", ["o"], secure=False).partition(";")[0].split("=", 1)
    at = position % len(value)
    changed = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
    # The last character of a base64 text has unused bits: a change there may leave the signature the same.
    assert _owner(cookies, f"{name}={changed}") is None or at == len(value) - 1


def test_a_cookie_of_another_secret_names_nobody() -> None:
    mine = Cookies(SECRET)
    value = Cookies("t" * 43).header("owner-1", secure=False).partition("=")[2]
    assert _owner(mine, f"{mine.name}={value}") is None


def test_an_old_cookie_is_renewed_and_a_very_old_one_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    cookies = Cookies(SECRET)
    now = TimestampSigner("x").get_timestamp()
    headers = {}
    for days in (8, 181, -1, -365):
        monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self, d=days: now - d * 86400)
        headers[days] = cookies.header("owner-1", secure=False)
    monkeypatch.undo()
    old = cookies.read(_sent(headers[8])).cookie
    assert old is not None
    assert old.stale
    assert _owner(cookies, headers[181]) is None
    for days, stale in ((-1, False), (-365, True)):  # the clock was set back since
        later = cookies.read(_sent(headers[days])).cookie
        assert later is not None
        assert later.stale is stale


def test_the_cookie_is_found_among_others_and_after_a_forged_one() -> None:
    cookies = Cookies(SECRET)
    good = cookies.header("owner-1", secure=False)
    assert _owner(cookies, "a=b", f"{cookies.name}=planted.x.y", good, "c=d") == "owner-1"


def test_cookie_attributes_follow_how_the_page_is_reached() -> None:
    """As browsers demand of `__Host-`: secure, for all paths, for this host alone; partitioned or not."""
    cookies, framed = Cookies(SECRET), Cookies(SECRET, embedded=True)
    plain, secure = cookies.header("o", secure=False), cookies.header("o", secure=True)
    embedded = framed.header("o", secure=False)
    for header in (plain, secure, embedded):
        assert {"HttpOnly", "Path=/"} < set(header.split("; "))
        assert "Domain" not in header
    assert plain.startswith("webchat_")
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain
    for header in (secure, embedded):
        assert header.startswith("__Host-webchat_")
        assert "; Secure" in header
    assert "SameSite=Lax" in secure
    assert embedded.endswith("; SameSite=None; Secure; Partitioned")
    assert _owner(framed, embedded) == "o"


def test_installations_on_one_host_have_cookies_of_their_own() -> None:
    """Browsers tell hosts apart, not ports; `__Host-` cookies are for all paths."""
    each = [Cookies(SECRET), Cookies("t" * 43), Cookies(SECRET, root_path="/b")]
    assert len({cookies.name for cookies in each}) == 3
    jar = [cookies.header(f"owner-{n}", secure=True) for n, cookies in enumerate(each)]
    assert [_owner(cookies, *jar) for cookies in each] == ["owner-0", "owner-1", "owner-2"]
    assert SECRET[:8] not in each[0].name


@pytest.mark.parametrize("planted_first", [True, False])
def test_two_owners_in_one_request_are_nobody(planted_first: bool) -> None:
    cookies = Cookies(SECRET)
    jar = [cookies.header(owner, secure=False) for owner in ("mallory", "ada")]
    found = cookies.read(
        _sent(*(jar if planted_first else jar[::-1])), host="a.b.example.org:80", path="/t/x"
    )
    assert found.conflict
    assert found.cookie is None
    # All a browser sends with this request but our own, which is the one for this host and all paths.
    places = {header.partition("Max-Age=0; ")[2] for header in found.clear}
    assert "Path=/" not in places
    for wanted in ("Path=/; Domain=example.org", "Path=/t", "Path=/t/", "Path=/t/x; Domain=a.b.example.org"):
        assert wanted in places
    assert not any(place.endswith("Domain=org") for place in places)
    twice = cookies.read(_sent(jar[1], jar[1]))
    assert not twice.conflict
    assert twice.cookie is not None


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "[::1]:7860", "localhost", "", "a b;c", "例え.example"])
def test_what_is_cleared_names_no_domain_that_is_none(host: str) -> None:
    cookies = Cookies(SECRET)
    found = cookies.read(
        _sent(*(cookies.header(n, secure=False) for n in "ab")), host=host, path="/x/" + ";y/" + "z/" * 99
    )
    assert 0 < len(found.clear) <= 24
    assert sum(map(len, found.clear)) < 4000
    assert not any("Domain=" in header or ";y" in header for header in found.clear)


def test_of_thousands_of_cookies_few_are_looked_at_and_none_is_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cookies = Cookies(SECRET)
    planted = cookies.header("attacker", secure=False)
    many = [planted, *[f"{cookies.name}=x"] * 2000, cookies.header("victim", secure=False)]
    looked: list[bytes] = []
    check = cookies._check
    monkeypatch.setattr(cookies, "_check", lambda signed: (looked.append(signed), check(signed))[1])  # type: ignore[func-returns-value]
    found = cookies.read(_sent(*many))
    assert (found.cookie, found.older, found.conflict, found.given) == (None, None, True, True)
    assert len(looked) == 32
    # What others can set is in nobody's way where this host's own cookie counts.
    assert _owner(cookies, *many, cookies.header("victim", secure=True), by_https=True) == "victim"
    found = cookies.read(_sent(*many), by_https=True)
    assert (found.cookie, found.older, found.conflict) == (None, None, False)


def test_the_cookie_of_this_host_alone_wins_over_every_other() -> None:
    cookies = Cookies(SECRET)
    planted, mine = cookies.header("mallory", secure=False), cookies.header("ada", secure=True)
    old = f"{OLD_NAME}={planted.partition('=')[2]}"
    for jar in ([planted, old, mine], [mine, old, planted]):
        for by_https in (True, False):
            assert _owner(cookies, *jar, by_https=by_https) == "ada"


@pytest.mark.parametrize("name", ["plain", "old"])
def test_what_others_can_set_counts_for_nothing_by_itself(name: str) -> None:
    cookies = Cookies(SECRET)
    planted = cookies.header("mallory", secure=False)
    if name == "old":
        planted = f"{OLD_NAME}={planted.partition('=')[2]}"
    found = cookies.read(_sent(planted), by_https=True, host="chat.example.org")
    assert found.cookie is None
    assert found.given
    assert found.older is not None
    assert found.older.owner_id == "mallory"
    assert f"{planted.partition('=')[0]}=; Max-Age=0; Path=/; Domain=example.org" in found.clear
    other = f"{OLD_NAME}={cookies.header('eve', secure=False).partition('=')[2]}"
    assert cookies.read(_sent(cookies.header("m", secure=False), other), by_https=True).older is None


@pytest.mark.parametrize("before", ["\u2000", "\u3000", "\xa0", "\x85", "$", "_", "x,", "x "])
@pytest.mark.parametrize("name", ["{}", "__HOST{}"])
def test_a_name_that_is_nearly_ours_is_not_ours(before: str, name: str) -> None:
    """Browsers let any page of the domain set these; some servers strip them down to the protected name."""
    cookies = Cookies(SECRET)
    value = cookies.header("mallory", secure=True).partition("=")[2].partition(";")[0]
    shown = name.format(cookies.host_name if name == "{}" else cookies.host_name.removeprefix("__Host"))
    sent = f"{before if name == '{}' else ''}{shown}={value}".encode()
    assert cookies.read([(b"cookie", sent)], by_https=True) == SignIn(secure=True)


def test_the_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret"
    first = load_or_make_secret(path)
    assert len(first) >= 43
    assert load_or_make_secret(path) == first
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secret"]


def test_a_secret_too_short_to_sign_with_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("short")
    with pytest.raises(ValueError, match="too short"):
        load_or_make_secret(path)
