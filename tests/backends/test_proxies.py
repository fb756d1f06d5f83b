"""The proxy variables of the environment are read as curl reads them; one that cannot be read is named."""

from __future__ import annotations

import pytest

from backends._proxies import find_proxy, is_this_machine, proxy_for, unquoted
from backends.errors import BadProxy

HTTP, HTTPS = "http://models.example/v1", "https://models.example/v1"
P = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("url", "environ", "variable"),
    [
        (HTTP, {"http_proxy": P}, "http_proxy"),
        (HTTP, {"HTTP_PROXY": P}, "HTTP_PROXY"),
        (HTTP, {"HTTP_PROXY": P, "REQUEST_METHOD": "GET"}, None),
        (HTTP, {"http_proxy": P, "REQUEST_METHOD": "GET"}, "http_proxy"),
        (HTTP, {"https_proxy": P, "HTTPS_PROXY": P}, None),
        (HTTPS, {"https_proxy": P}, "https_proxy"),
        (HTTPS, {"HTTPS_PROXY": P}, "HTTPS_PROXY"),
        (HTTPS, {"HTTPS_PROXY": P, "REQUEST_METHOD": "GET"}, "HTTPS_PROXY"),
        (HTTPS, {"http_proxy": P, "HTTP_PROXY": P}, None),
        (HTTP, {"all_proxy": P}, "all_proxy"),
        (HTTPS, {"ALL_PROXY": P}, "ALL_PROXY"),
        (HTTPS, {"ALL_PROXY": P, "all_proxy": P}, "all_proxy"),
        (HTTP, {"http_proxy": P, "HTTP_PROXY": "", "all_proxy": "x"}, "http_proxy"),
        (HTTP, {"http_proxy": "", "HTTP_PROXY": P}, "HTTP_PROXY"),
        (HTTP, {"http_proxy": " ", "all_proxy": P}, "all_proxy"),
        (HTTPS, {"https_proxy": '""', "all_proxy": P}, "all_proxy"),
        (HTTP, {"ftp_proxy": P, "no_proxy": "models.example"}, None),
        (HTTP, {}, None),
    ],
)
def test_the_variable_of_the_scheme_counts_before_that_of_all(
    url: str, environ: dict[str, str], variable: str | None
) -> None:
    found = find_proxy(url, environ)
    assert (found and found.variable) == variable
    assert (found and found.url) == (variable and P)


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("proxy.example:3128", P),
        ("http://proxy.example:3128/", P),
        ("HTTP://proxy.example:3128", P),
        ("  http://proxy.example:3128\r", P),
        ('"http://proxy.example:3128"', P),
        ("'proxy.example:3128' ", P),
        ("proxy.example", "http://proxy.example:80"),
        ("https://proxy.example", "https://proxy.example:443"),
        ("socks://127.0.0.1:7891", "socks5h://127.0.0.1:7891"),
        ("socks://127.0.0.1:7891/", "socks5h://127.0.0.1:7891"),
        ("socks4://proxy.example", "socks4://proxy.example:1080"),
        ("socks4a://proxy.example:9050", "socks4a://proxy.example:9050"),
        ("socks5://[::1]:7891", "socks5://[::1]:7891"),
        ("socks5h://[2001:db8::2]", "socks5h://[2001:db8::2]:1080"),
        ("http://me:word@proxy.example:3128", "http://me:word@proxy.example:3128"),
        ("http://me@proxy.example:3128", "http://me@proxy.example:3128"),
        ("me:word@proxy.example:3128", "http://me:word@proxy.example:3128"),
        ("http://me:p%40ss@proxy.example:3128", "http://me:p%40ss@proxy.example:3128"),
        ("http://me:p@s/s?#:é@proxy.example:3128", "http://me:p%40s%2Fs%3F%23%3A%C3%A9@proxy.example:3128"),
        ("http://me:100%@proxy.example:3128", "http://me:100%25@proxy.example:3128"),
        (r"http://DOMAIN\me:word@proxy.example:3128", "http://DOMAIN%5Cme:word@proxy.example:3128"),
    ],
)
def test_a_proxy_is_read_however_people_write_it(value: str, url: str) -> None:
    assert proxy_for(HTTPS, {"HTTPS_PROXY": value}) == url


@pytest.mark.parametrize(
    "value",
    [
        "ftp://proxy.example:21",
        "vmess://secret",
        "socks6://proxy.example:1080",
        "http://",
        "http:proxy.example:3128",
        "http//proxy.example:3128",
        "http://:3128",
        "http://proxy.example:port",
        "http://proxy.example:99999",
        "http://proxy.example:0",
        "http://proxy.example:3128/path",
        "http://proxy example:3128",
        "::1:3128",
        "http://[::1:3128",
        "http://me:secret@",
        "ftp://me:secret@proxy.example:21",
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence_that_names_the_variable(value: str) -> None:
    with pytest.raises(BadProxy) as refused:
        proxy_for(HTTPS, {"all_proxy": value})
    said = str(refused.value)
    assert "all_proxy" in said
    assert said.endswith("unset it.")
    assert "secret" not in said


def test_a_variable_that_does_not_count_is_not_read() -> None:
    bad = {"ALL_PROXY": "ftp://proxy.example"}
    assert proxy_for("http://127.0.0.1:8000/v1", bad) is None
    assert proxy_for(HTTP, {**bad, "no_proxy": "*"}) is None
    assert proxy_for(HTTP, {**bad, "http_proxy": P}) == P


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("models.example", "models.example", True),
        ("models.example", "a.models.example", True),
        ("models.example", "notmodels.example", False),
        (".models.example", "models.example", True),
        (".models.example", "a.models.example", True),
        ("*.models.example", "a.b.models.example", True),
        ("models.example.", "models.example", True),
        ("models.example", "models.example.", True),
        ("MODELS.example", "models.EXAMPLE", True),
        ("a, models.example ,b", "models.example", True),
        ("a b\tmodels.example", "models.example", True),
        ("a;models.example", "models.example", True),
        ('"a,models.example"', "models.example", True),
        (",,", "models.example", False),
        (".", "models.example", False),
        ("*", "models.example", True),
        ("a,*", "10.0.0.1", True),
        ("models.example:8000", "models.example:8000", True),
        ("models.example:8000", "models.example", False),
        ("models.example:80", "models.example", True),
        ("http://models.example", "models.example", True),
        ("http://models.example:8000/", "models.example:8000", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/255.0.0.0", "10.1.2.3", True),
        ("10.0.0.1/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "models.example", False),
        ("10.0.0.0/33", "10.0.0.0", False),
        ("10.1.2.3", "10.1.2.3:8000", True),
        ("10.1.2.3:8000", "10.1.2.3:8000", True),
        ("10.1.2.3:8000", "10.1.2.3:8001", False),
        ("2.3", "10.1.2.3", False),
        ("10.1.*", "10.1.2.3", True),
        ("models*.example", "models7.example", True),
        ("2001:db8::1", "[2001:db8::1]", True),
        ("[2001:db8::1]", "[2001:db8::1]:8000", True),
        ("[2001:db8::1]:8000", "[2001:db8::1]:8000", True),
        ("[2001:db8::1]:8000", "[2001:db8::1]", False),
        ("2001:db8:0:0::1", "[2001:db8::1]", True),
        ("2001:db8::/32", "[2001:db8:1::9]", True),
        ("[2001:db8::]/32", "[2001:db8:1::9]", True),
        ("[2001:db8::/32]", "[2001:db8:1::9]", True),
        ("2001:db8::/32", "[2001:db9::1]", False),
        ("2001:db8::/32", "10.0.0.1", False),
        ("10.0.0.0/8", "[::ffff:10.1.2.3]", True),
        ("localhost,[::1]", "models.example", False),
        ("localhost,127.0.0.0/8,::1/128", "models.example", False),
        ("[", "models.example", False),
        ("[a]*", "models.example", False),
    ],
)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_an_exception_holds_for_hosts_below_it_networks_and_ports(
    name: str, no_proxy: str, host: str, direct: bool
) -> None:
    assert (proxy_for(f"http://{host}/v1", {"http_proxy": P, name: no_proxy}) is None) == direct


@pytest.mark.parametrize(
    "host",
    [
        *(
            "localhost",
            "LOCALHOST",
            "localhost.",
            "app.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "127.1",
            "0x7f.1",
        ),
        *("0.0.0.0", "0", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "2130706433"),
    ],
)
def test_this_machine_is_never_reached_through_a_proxy(host: str) -> None:
    assert is_this_machine(host)
    assert proxy_for(f"http://{host}:8000/v1", {"http_proxy": P, "ALL_PROXY": P}) is None


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "localhost.example", "128.0.0.1", "[2001:db8::1]", "cafe", "fe.example", "a.b", ""]
)
def test_another_machine_is_no_part_of_this_one(host: str) -> None:
    assert not is_this_machine(host)


def test_what_is_shown_of_a_proxy_holds_no_password() -> None:
    found = find_proxy(HTTPS, {"https_proxy": "socks5://me:se@cret@proxy.example"})
    assert found is not None
    assert found.shown == "socks5://proxy.example:1080"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"a"', "a"),
        (" 'a b' ", "a b"),
        ("a", "a"),
        ('"a', '"a'),
        ('"', '"'),
        ("\"'a'\"", "a"),
        ('"a", "b"', '"a", "b"'),
        ('" a "\r', "a"),
        ("", ""),
    ],
)
def test_quotes_around_a_value_are_no_part_of_it(written: str, value: str) -> None:
    assert unquoted(written) == value
