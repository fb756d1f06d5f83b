import pytest
from hypothesis import given
from hypothesis import strategies as st

from webchat.auth.origin import is_loopback, may_change

TRUSTED = frozenset({"https://chat.example.org"})


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("localhost:7860", True),
        ("LOCALHOST:7860", True),
        ("app.localhost:7860", True),
        ("127.0.0.1:7860", True),
        ("127.8.9.1", True),
        ("[::1]:7860", True),
        ("::1", True),
        ("", False),
        ("0.0.0.0:7860", False),
        ("evil.example", False),
        ("evil.example:7860", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("127.0.0.1@evil.example", False),
        ("evil.example:127.0.0.1", False),
        ("192.168.1.4:7860", False),
        ("[::ffff:8.8.8.8]:7860", False),
        ("2130706433", False),
    ],
)
def test_loopback_hosts(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("origin", "fetch_site", "expected"),
    [
        ("http://here:7860", None, True),
        ("http://here:7860", "same-origin", True),
        (None, "same-origin", True),
        (None, None, True),
        (None, "none", True),
        ("null", None, False),
        ("null", "same-origin", False),
        ("http://here:7861", None, False),
        ("http://here", None, False),
        ("http://evil.example", None, False),
        ("http://evil.example", "cross-site", False),
        ("http://sub.here:7860", "same-site", False),
        (None, "cross-site", False),
        (None, "same-site", False),
        (None, "", False),
        ("https://chat.example.org", "cross-site", True),
        ("https://chat.example.org.evil.example", "cross-site", False),
        ("http://here:7860@evil.example", None, False),
        ("http://[", None, False),
        ("", None, False),
    ],
)
def test_who_may_change_something(origin: str | None, fetch_site: str | None, expected: bool) -> None:
    found = may_change(host="here:7860", origin=origin, fetch_site=fetch_site, trusted=TRUSTED)
    assert found is expected


@given(st.text(max_size=80))
def test_any_origin_text_is_decided_without_an_error(origin: str) -> None:
    found = may_change(host="here:7860", origin=origin, fetch_site=None, trusted=TRUSTED)
    assert not found or "here:7860" in origin.lower() or origin.lower() in TRUSTED
