import os
import stat
from pathlib import Path

import pytest
from itsdangerous import TimestampSigner

from webchat.auth import Cookies, load_or_make_secret

SECRET = "s" * 43


def _sent(header: str) -> list[tuple[bytes, bytes]]:
    """The header a browser sends back for a `Set-Cookie`."""
    return [(b"cookie", header.partition(";")[0].encode())]


def test_a_signed_cookie_names_its_owner() -> None:
    cookies = Cookies(SECRET)
    found = cookies.read(_sent(cookies.header("owner-1", secure=False)))
    assert found is not None
    assert found.owner_id == "owner-1"
    assert not found.stale


@pytest.mark.parametrize("position", range(0, 60, 3))
def test_a_changed_cookie_names_nobody(position: int) -> None:
    cookies = Cookies(SECRET)
    name, value = cookies.header("owner-1", secure=False).partition(";")[0].split("=", 1)
    at = position % len(value)
    changed = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
    found = cookies.read([(b"cookie", f"{name}={changed}".encode())])
    # The last character of a base64 text has unused bits: a change there may leave the signature the same.
    assert found is None or at == len(value) - 1


def test_a_cookie_of_another_secret_names_nobody() -> None:
    assert Cookies("t" * 43).read(_sent(Cookies(SECRET).header("owner-1", secure=False))) is None


def test_an_old_cookie_is_renewed_and_a_very_old_one_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    cookies = Cookies(SECRET)
    now = TimestampSigner("x").get_timestamp()
    headers = {}
    for days in (8, 181):
        monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self, d=days: now - d * 86400)
        headers[days] = cookies.header("owner-1", secure=False)
    monkeypatch.undo()
    old = cookies.read(_sent(headers[8]))
    assert old is not None
    assert old.stale
    assert cookies.read(_sent(headers[181])) is None


def test_the_cookie_is_found_among_others_and_after_a_planted_one() -> None:
    cookies = Cookies(SECRET)
    good = cookies.header("owner-1", secure=False).partition(";")[0]
    found = cookies.read([(b"cookie", f"a=b; webchat_owner=planted.x.y; {good}; c=d".encode())])
    assert found is not None
    assert found.owner_id == "owner-1"


def test_cookie_attributes_follow_how_the_page_is_reached() -> None:
    plain = Cookies(SECRET).header("o", secure=False)
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Path=/" in plain
    assert "Secure" not in plain
    assert "Secure" in Cookies(SECRET).header("o", secure=True)
    embedded = Cookies(SECRET, embedded=True).header("o", secure=False)
    assert "SameSite=None" in embedded
    assert "Secure" in embedded
    assert "Partitioned" in embedded


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
