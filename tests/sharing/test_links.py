from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webchat.sharing import BadLifetime, BadTerms, TermsContent, hash_of, make_token, parse_lifetime
from webchat.sharing.links import is_token
from webchat.store.link_records import NO_TERMS

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def test_tokens_are_long_distinct_and_fit_a_fragment() -> None:
    tokens = {make_token() for _ in range(200)}
    assert len(tokens) == 200
    for token in tokens:
        assert token.startswith("wt1_")
        assert len(token) == 4 + 43
        assert is_token(token)


def test_the_hash_does_not_hold_the_token() -> None:
    token = make_token()
    assert token[4:20] not in hash_of(token)
    assert len(hash_of(token)) == 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7d", NOW + timedelta(days=7)),
        (" 12H ", NOW + timedelta(hours=12)),
        ("30m", NOW + timedelta(minutes=30)),
        ("2w", NOW + timedelta(weeks=2)),
        ("2027-01-31", datetime(2027, 2, 1, tzinfo=UTC)),
        ("2026-11-24", datetime(2026, 11, 25, tzinfo=UTC)),
        ("never", None),
    ],
)
def test_lifetimes(text: str, expected: datetime | None) -> None:
    assert parse_lifetime(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "7", "d", "-7d", "0d", "7 years", "2026-11-23", "2026-13-01", "tomorrow", "٧d7"]
)
def test_lifetimes_that_are_refused(text: str) -> None:
    with pytest.raises(BadLifetime):
        parse_lifetime(text, NOW)


@given(st.text(max_size=20))
def test_any_lifetime_text_gives_a_time_to_come_or_is_refused(text: str) -> None:
    try:
        end = parse_lifetime(text, NOW)
    except BadLifetime:
        return
    assert end is None or end > NOW


def test_a_link_that_compares_has_room_for_two_replies() -> None:
    compares = TermsContent(asks=["compare"], replies_at_once=1)
    with pytest.raises(BadTerms, match="replies_at_once: a comparison writes two replies"):
        compares.onto(NO_TERMS)
    later = TermsContent(replies_at_once=1)
    with pytest.raises(BadTerms):
        later.onto(TermsContent(asks=["compare"]).onto(NO_TERMS))
