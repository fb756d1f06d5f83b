"""Where to go after a sign-in: never to another server, however the path is read."""

from __future__ import annotations

import json
import subprocess
from itertools import product
from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.js.test_node import NODE
from webchat.auth.local_path import local_path

OURS = "https://chat.example.org"

LEADS = [
    "//", "///", "////", "/\\", "\\/", "\\\\", "\\", "/\t/", "/\n/", "/\r\n/", "\t//", " //", "\x00//",
    "\u2028//",
    "/%2f", "%2f%2f", "/%2F%2F", "/%5c", "/%5C/", "/%09/", "/%0d%0a/", "/%00/", "/%252f", "/./", "/.//",
    "/..//",
    "/../", "/%2e%2e//", "/%2e/", "/a//", "/a/..//", "/a/%2e%2e/%2f", "/a/.%2e//", "/;//", "/\u3002//",
    "/\uff0f",
    "/\u2215", "/\u2044", "//\u3000", "http://", "https://", "HTTPS:/", "https:", "http:\\\\", "javascript:",
    "java\tscript:", "data:text/html,", "//user@", "//a:b@", "/\\\\", "/\\/", "/a\\..\\\\", "/\x7f/",
    "/\u202e/",
]  # fmt: skip
HOSTS = [
    "evil.example", "evil.example/", "evil.example:443/a", "evil%2eexample",
    "evil.example\\@chat.example.org",
    "chat.example.org@evil.example", "chat.example.org.evil.example", "[::1]/", "2130706433", "0x7f.1",
    "ｅvil.example",
    "evil。example", "evil.example?a=b", "evil.example#a", "evil\t.example", "evil.example%00", "xn--a",
    "alert(1)",
]  # fmt: skip
HOSTILE = [f"{lead}{host}" for lead, host in product(LEADS, HOSTS)]

FINE = [
    "/", "/?c=0197-ab", "/?q=hello%20there&model=a/b", "/s/abc_DEF-1", "/console/people",
    "/?u=https://a.example//b",
    "/~ada/a.b/c;d=e", "/?q=%E4%BD%A0%E5%A5%BD", "/a/", "/...", "/.well", "/%E4%BD%A0",
]  # fmt: skip


@pytest.mark.parametrize("path", FINE)
def test_paths_of_this_server_stay(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "", "a", "?a", "#a", "/#a", "/a b", "/你好", "/a\n", "/%", "/%4", "/%zz", "/%ff%", "/?%0a",
        "/?a=%00", "/?a#b",
        "/.", "/..", "/a/..", "/a/./b", "/a//", "/%2e", "/a%2fb", "/a%5cb", "/a%25b", "/" + "a" * 2000,
        "/\u0661%0\u0661",
    ],
)  # fmt: skip
def test_doubtful_ones_lead_to_the_start(path: str) -> None:
    assert local_path(path) == "/"


def leads_home(path: str) -> bool:
    """Whether the path stays on our server as Python reads it."""
    parts = urlsplit(urljoin(f"{OURS}/sign-in", path))
    return (parts.scheme, parts.netloc) == ("https", "chat.example.org") and not parts.path.startswith("//")


def as_read(path: str) -> list[str]:
    """The path as it is, and as others may read it: without what browsers drop, with a backslash for a slash,
    decoded once or twice."""
    dropped = (
        path.strip("".join(map(chr, range(33)))).translate({9: None, 10: None, 13: None}).replace("\\", "/")
    )
    return [path, dropped, unquote(path.partition("?")[0]), unquote(unquote(path.partition("?")[0]))]


def test_hostile_texts_lead_nowhere_else() -> None:
    for text in HOSTILE:
        for form in (text, quote(text), f"{text}?c=1", text.lower()):
            path = local_path(form)
            assert path in (form, "/")
            assert all(leads_home(one) for one in as_read(path)), path


def test_there_are_a_thousand_hostile_texts_and_many_would_lead_elsewhere() -> None:
    assert len(set(HOSTILE)) > 950
    assert sum(not all(leads_home(one) for one in as_read(text)) for text in HOSTILE) > 500


def test_browsers_stay_on_this_server() -> None:
    """Node's URL is that of browsers."""
    assert NODE is not None
    script = """
      const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
      const ours = "https://chat.example.org";
      const leaves = (text) => {
        try { return new URL(text, ours).origin !== ours; }
        catch { return true; }
      };
      console.log(JSON.stringify(texts.map(leaves)));
    """
    texts = [*HOSTILE, *map(local_path, HOSTILE)]
    done = subprocess.run(
        [NODE, "-e", script], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    leaves = json.loads(done.stdout)
    assert sum(leaves[: len(HOSTILE)]) > 300
    assert not any(leaves[len(HOSTILE) :])


@given(st.text(alphabet=st.sampled_from("/\\.%25fFeEcC0dDaA9:@?#&;=~ \t\r\n\x00é。／evil"), max_size=30))
def test_whatever_is_sent_stays_here(text: str) -> None:
    for form in (text, f"/{text}"):
        path = local_path(form)
        assert path in (form, "/")
        assert local_path(path) == path
        assert path.isascii()
        assert path.isprintable()
        assert all(leads_home(one) for one in as_read(path))


@given(st.text(max_size=60))
def test_any_text_gives_a_path(text: str) -> None:
    assert leads_home(local_path(text))
