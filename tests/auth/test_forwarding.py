"""Who a client is, where proxies stand in front: the right-most address that is no trusted proxy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webchat.auth.forwarding import client_address, one_person, with_client
from webchat.settings.networks import network

PROXIES = tuple(network(text) for text in ("127.0.0.1", "10.0.0.0/8", "fd00::/8"))
CLIENT = "203.0.113.7"

Pair = tuple[str, str]


def seen(peer: str | None, *headers: Pair, trusted: Any = PROXIES) -> tuple[str | None, str]:
    """Client and scheme of a request that `peer` made."""
    scope: dict[str, Any] = {
        "type": "http",
        "scheme": "http",
        "client": None if peer is None else (peer, 4711),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    found = with_client(scope, trusted)
    return found["client"] and found["client"][0], found["scheme"]


def x(value: str) -> Pair:
    return ("x-forwarded-for", value)


def f(value: str) -> Pair:
    return ("forwarded", value)


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("127.0.0.1", [x(CLIENT)], CLIENT),
        ("127.0.0.1", [x(f"6.6.6.6, {CLIENT}")], CLIENT),  # the left end is what anybody wrote
        ("127.0.0.1", [x(f"6.6.6.6, {CLIENT}, 10.1.2.3")], CLIENT),  # several proxies
        ("127.0.0.1", [x("6.6.6.6"), x(CLIENT), x("10.1.2.3")], CLIENT),  # several headers are one list
        ("127.0.0.1", [x("10.0.0.1, 10.0.0.2")], "10.0.0.1"),  # nobody but proxies
        ("127.0.0.1", [], "127.0.0.1"),
        ("198.51.100.1", [x(CLIENT)], "198.51.100.1"),  # a stranger's word
        ("127.0.0.2", [x(CLIENT)], "127.0.0.2"),  # loopback as well, unless it is named
        ("fd00::1", [x("2001:db8::7")], "2001:db8::7"),
        ("::ffff:10.0.0.1", [x(CLIENT)], CLIENT),
        ("127.0.0.1", [x(f"::ffff:{CLIENT}")], CLIENT),
        ("127.0.0.1", [x(f"{CLIENT}:55123")], CLIENT),
        ("127.0.0.1", [x("[2001:db8::7]:443")], "2001:db8::7"),
        ("127.0.0.1", [x("[2001:db8::7]")], "2001:db8::7"),
        ("127.0.0.1", [x("fe80::7%eth0")], "fe80::7"),
        ("127.0.0.1", [x(f"{CLIENT}, unknown")], "127.0.0.1"),  # garbage ends the search
        ("127.0.0.1", [x(f"{CLIENT}, , 10.0.0.2")], "10.0.0.2"),
        ("127.0.0.1", [x("203.0.113.7.9")], "127.0.0.1"),
        ("127.0.0.1", [x("")], "127.0.0.1"),
        ("127.0.0.1", [f(f"for={CLIENT};proto=https;by=10.0.0.1")], CLIENT),
        ("127.0.0.1", [f(f"for=6.6.6.6, For={CLIENT}")], CLIENT),
        ("127.0.0.1", [f('for="[2001:db8::7]:4711"')], "2001:db8::7"),
        ("127.0.0.1", [f("for=_hidden, for=10.0.0.2")], "10.0.0.2"),
        ("127.0.0.1", [f(f'for={CLIENT}, for="never closed')], "127.0.0.1"),
        ("127.0.0.1", [f(f"for={CLIENT} and more")], "127.0.0.1"),
        ("127.0.0.1", [x(CLIENT), f(f"for={CLIENT}")], CLIENT),
        ("127.0.0.1", [x(CLIENT), f("for=6.6.6.6")], "127.0.0.1"),  # one was made up
    ],
)
def test_the_client_is_the_last_one_no_proxy_vouches_for(peer: str, headers: list[Pair], client: str) -> None:
    assert seen(peer, *headers)[0] == client


def test_without_trusted_proxies_no_header_counts() -> None:
    for peer in ("127.0.0.1", "::1", "10.0.0.1"):
        headers = [x(CLIENT), f(f"for={CLIENT};proto=https"), ("x-forwarded-proto", "https")]
        assert seen(peer, *headers, trusted=()) == (peer, "http")
    assert seen(None, x(CLIENT)) == (None, "http")


@pytest.mark.parametrize(
    ("peer", "headers", "scheme"),
    [
        ("127.0.0.1", [("x-forwarded-proto", "https")], "https"),
        ("127.0.0.1", [("x-forwarded-proto", "HTTPS, http")], "https"),
        ("127.0.0.1", [("x-forwarded-proto", "http")], "http"),
        ("127.0.0.1", [("x-forwarded-proto", "gopher")], "http"),
        ("127.0.0.1", [f("for=1.1.1.1;proto=https, for=10.0.0.1;proto=http")], "https"),
        ("198.51.100.1", [("x-forwarded-proto", "https")], "http"),
    ],
)
def test_the_scheme_is_what_a_trusted_proxy_says(peer: str, headers: list[Pair], scheme: str) -> None:
    assert seen(peer, *headers)[1] == scheme


addresses = st.one_of(
    st.ip_addresses().map(str), st.text(max_size=12), st.sampled_from(["unknown", "10.0.0.9", "", "::1:2:3"])
)


@given(st.lists(addresses, max_size=6), st.lists(addresses, max_size=4))
def test_what_a_client_writes_itself_changes_nothing(made_up: list[str], proxies: list[str]) -> None:
    """Whatever it puts before the entry its proxy makes of its address."""
    hops = [CLIENT, *(hop for hop in proxies if hop.startswith("10.0.0."))]
    assert client_address("127.0.0.1", [*made_up, *hops], PROXIES) == CLIENT


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["x-forwarded-for", "forwarded"]), st.text('for=";, \\[]:1a.,', max_size=60)
        )
    )
)
def test_no_header_breaks_the_door(headers: list[Pair]) -> None:
    client, scheme = seen("127.0.0.1", *headers)
    assert client
    assert scheme in ("http", "https")


def test_an_ipv6_client_is_counted_by_its_network() -> None:
    assert one_person("2001:db8::1") == one_person("2001:db8::ffff:2") != one_person("2001:db8:0:1::1")
    assert one_person(CLIENT) != one_person("203.0.113.8")
    assert one_person("") == ""
