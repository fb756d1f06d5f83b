"""Nobody holds others with what they paste: everything that reads a text costs its length, whatever it says.

Each reader has a row with what is hard for it. A kind of moderator or of personal data without a row fails.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest

from backends.markers.holdback import StopCutter
from backends.markers.thinking import ThinkingSplitter
from backends.openai_compat.limits import SAID_CHARS
from backends.openai_compat.refusals.causes import refuses_value
from backends.openai_compat.refusals.errors import error_in, from_status
from backends.openai_compat.refusals.refusal import read_refusal
from backends.openai_compat.refusals.variants import FEATURES
from backends.openai_compat.replies.sse import SSEParser
from backends.types import Message, Request
from tests.growth import MOST, growth
from webchat.auth.forwarding import with_client
from webchat.moderation import Context, Moderation
from webchat.moderation.folding import fold
from webchat.moderation.kinds.tables import KINDS as MODERATORS
from webchat.moderation.kinds.tidying import Tidy
from webchat.moderation.rules import read_rules
from webchat.moderation.windows import Opinion, Windows
from webchat.privacy.addresses import addresses
from webchat.privacy.finding import KINDS, Personal
from webchat.privacy.placeholders import Finder, Placeholders, mask
from webchat.privacy.restoring import Restorer
from webchat.prompts.errors import BadFile, BadTemplate
from webchat.prompts.files import read_file
from webchat.prompts.fitting import characters, first_kept
from webchat.prompts.sandbox import parse
from webchat.prompts.worker import as_lines
from webchat.settings.networks import network
from webchat.store.database.codec import clean, dump_json, title_of
from webchat.store.records import PathMessage
from webchat.store.search.verbs import _snippet
from webchat.store.search.words import index_words, matches, query_terms
from webchat.turns.titles.making import excerpt
from webchat.turns.titles.proposals import title_in

Read = Callable[[str], object]
SIZE = 3000
"""Characters of the shortest input; more where a rule's window is longer, up to which it may look again."""

LONGER = {"secrets": 16_000, "patterns": 6000}

SHORTER = {"an endpoint's errors": SAID_CHARS // 4}
"""Where what is longer is cut."""

PLAIN = ("word ", "a", " ", "\n", "中")


def repeated(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size]


PERSONAL: dict[str, Sequence[str]] = {
    "phone": ("1", "1 ", "+1 ", "(1)", "(", "13912345678 ", "+86 139 1234 5678 ", "-1"),
    "email": ("@", "a@a.", "a.b-", "ada@example.com ", "@a.", "." * 7 + "@"),
    "id_card": ("11010119900307123X", "110101199003071233"),
    "bank_card": ("4111 1111 1111 1111 ", "4111-", "4"),
    "iban": ("GB82", "GB82 WEST", "A", "AA11 ", "GB82 WEST 1234 5698 7654 32 "),
    "ssn": ("123-45-6789 ", "123-45-", "123-"),
    "passport": ("passport: ", "护照", "passport no. is: E12345678 ", "护照号码为：E"),
    "ip": ("a:", ":", "ffff:", "8.8.8.8 ", "8.", "2001:db8::1 "),
    "name": ("我叫", "我叫王", "My name is ", "Aa ", "My name is Ada Lovelace ", "Mr. A'Bb-Cc "),
    "address": (
        "北京市",
        "北京市中路1号",
        "1 Aa ",
        "12 Main Street ",
        "9",
        "在北京市区",
        "上海市黄浦区南京东路",
    ),
}

RULES = {
    "phrases": '[[moderators]]\nkind = "phrases"\naction = "flag"\n'
    'phrases = ["bomb", "ass*", "a a a b", "炸弹", "aaaaaaaaab", "中中中国"]',
    "patterns": '[[moderators]]\nkind = "patterns"\naction = "flag"\nwindow = 200\n'
    'patterns = ["a+b", "[a-z ]+z", "(a|b)*c", "(x+x+)+y"]',
    "secrets": '[[moderators]]\nkind = "secrets"',
    "personal": '[[moderators]]\nkind = "personal"',
    "limits": '[[moderators]]\nkind = "limits"\nmost_chars = 1000000000\nmost_repeats = 1000000000',
}
HARD: dict[str, Sequence[str]] = {
    "phrases": (*PLAIN, "bomb ", "b.o.m.b ", "b.", "a a ", "aaaaaaaab", "炸", "中 ", "a.a", "炸.弹"),
    "patterns": (*PLAIN, "aaab", "xx", "a b ", "z"),
    "secrets": (
        *PLAIN,
        "ghp_",
        "github_pat_",
        "eyJ",
        "eyJaaaaaaaaaa.",
        "sk-",
        "AKIA",
        "xoxb-",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "hf_",
    ),
    "personal": ("1 ", "@", "a:", "13912345678 ", "word "),
    "limits": (*PLAIN, "line\n"),
}
ASKING = {"endpoint", "guard"}
"""Kinds that hand a text to others, window by window."""


def test_every_kind_has_a_row() -> None:
    assert set(PERSONAL) == set(KINDS)
    assert set(RULES) == set(HARD) == set(MODERATORS) - ASKING


def rows(table: dict[str, Sequence[str]]) -> list[Any]:
    return [
        pytest.param(name, unit, id=f"{name}-{unit.encode('unicode_escape').decode()[:24]}")
        for name, units in table.items()
        for unit in units
    ]


def holds(read: Read, unit: str, size: int = SIZE) -> None:
    assert growth(lambda length: _reading(read, repeated(unit, length)), size) <= MOST


def _reading(read: Read, text: str) -> Callable[[], object]:
    return lambda: read(text)


@pytest.mark.parametrize(("kind", "unit"), rows(PERSONAL))
def test_finding_personal_data(kind: str, unit: str) -> None:
    holds(Personal([kind]).all, unit)


@pytest.mark.parametrize(("kind", "unit"), rows(HARD))
def test_moderators(kind: str, unit: str) -> None:
    gates = Moderation(read_rules(RULES[kind]), lambda decision: None)

    async def all_at_once(text: str) -> None:
        await gates.review(Context("input", "owner"), text)

    holds(lambda text: asyncio.run(all_at_once(text)), unit, LONGER.get(kind, SIZE))


@pytest.mark.parametrize("kind", [*RULES, "tidy"])
def test_moderators_of_a_stream(kind: str) -> None:
    (moderator,) = [Tidy()] if kind == "tidy" else read_rules(RULES[kind])[-1:]

    async def in_pieces(text: str) -> None:
        one = moderator.open(Context("output", "owner"), lambda finding: None)
        for at in range(0, len(text), 7):
            await one.feed(text[at : at + 7])
        await one.finish()

    for unit in ("word ", "1", "é\u0301 "):
        holds(lambda text: asyncio.run(in_pieces(text)), unit)


def _windows(text: str) -> None:
    async def harmless(window: str) -> Sequence[Opinion]:
        return ()

    async def read() -> None:
        windows = Windows(harmless, lambda finding: None, name="judge", fail="open", seconds=5, window=160)
        await windows.feed(text)
        await windows.finish()

    asyncio.run(read())


def _restored(text: str) -> None:
    restorer = Restorer({("PHONE", 1): "1", ("LINK", 1): "http://example.com", ("TEXT", 2): "x"})
    for at in range(0, len(text), 7):
        restorer.feed(text[at : at + 7])
    restorer.finish()


def _split(text: str) -> None:
    splitter = ThinkingSplitter()
    for at in range(0, len(text), 7):
        splitter.feed(text[at : at + 7])
    splitter.flush()


def _cut(text: str) -> None:
    cutter = StopCutter(["aaaaaaaaab", "</", "stop"])
    for at in range(0, len(text), 7):
        cutter.feed(text[at : at + 7])
    cutter.flush()


def _events(step: int) -> Read:
    def read(text: str) -> None:
        parser, sent = SSEParser(), text.encode()
        for at in range(0, len(sent), step):
            for _ in parser.feed(sent[at : at + step]):
                pass
        for _ in parser.close():
            pass

    return read


def _parsed(text: str) -> None:
    with suppress(BadTemplate):
        parse(as_lines(text), ["name"])


def _template(text: str) -> None:
    with suppress(BadFile):
        read_file(text)


def _found(text: str) -> None:
    ranges = matches(query_terms("a 中 word"), text, 160)
    _snippet(text, ranges or ())


def _refused(text: str) -> None:
    """What an endpoint says goes past every expression there is for it."""
    for status, body in (
        (400, {"error": {"message": text, "code": text}}),
        (500, text),
        (422, {"detail": text}),
        (400, [{text[:1000]: [text]}]),
    ):
        raw = json.dumps(body).encode()
        from_status(status, {"retry-after": text[:90_000]}, raw, key="sk-secret", place="host")
        refusal = read_refusal(status, raw)
        refusal.names(FEATURES)
        refusal.same_as(refusal)
        refuses_value(refusal, {"messages": [], "temperature": 3})
    error_in({"error": {"message": text, "type": text}}, key="sk-secret")


def _forwarded(text: str) -> None:
    value = text.encode("utf-8", "surrogatepass")
    headers = [(b"x-forwarded-for", value), (b"forwarded", value)]
    scope = {"type": "http", "scheme": "http", "client": ("127.0.0.1", 1), "headers": headers}
    with_client(scope, (network("127.0.0.1"),))


MARKS = (
    "[",
    "](",
    "]:",
    "http://a ",
    "//",
    "(",
    ")",
    "<",
    "\\",
    "[PHONE_1]",
    "[PHONE_",
    "PHONE",
    "www.",
    "[LINK_1] ",
)
READERS: dict[str, tuple[Read, Sequence[str]]] = {
    "masking": (lambda text: mask([text], Placeholders(), Finder()), (*PLAIN, *MARKS, "a@b.cc/ ")),
    "addresses": (lambda text: list(addresses(text)), (*PLAIN, *MARKS, "\n\n](")),
    "restoring": (_restored, (*PLAIN, *MARKS, "[ phone", "<phone_")),
    "folding": (fold, (*PLAIN, "é", "\u200b", "😀", "ﷺ")),
    "windows": (_windows, (*PLAIN, ".", "。", '."', "a. ")),
    "thinking": (_split, (*PLAIN, "<think>", "<think>a</think>", "<", "<think>\n", "</think")),
    "stops": (_cut, (*PLAIN, "aaaaaaaa", "<")),
    "events at once": (_events(1 << 30), ("data: a\n\n", "\n", "\r", "\r\n", "data:a\n", ":", "a")),
    "events in pieces": (_events(7), ("data: a\n\n", "\n", "\r", "\r\n", "data:a\n", ":", "a")),
    "templates": (
        _parsed,
        (*PLAIN, "{{ name }}", "{% if name %}", "{{", "{#", "{{ name + name }}", "#", "{%", "%}"),
    ),
    "template files": (
        _template,
        (
            *PLAIN,
            "{",
            "[",
            "- ",
            "a: ",
            "? ",
            "&a ",
            "*a ",
            '"',
            "'",
            '{"a":',
            "- a\n",
            "a: b\n",
            "#",
            "---\n",
            "! ",
            "1",
        ),
    ),
    "an endpoint's errors": (
        _refused,
        (
            *PLAIN,
            "exceed",
            "exceed ",
            "model ",
            "context ",
            "prompt",
            "input tokens",
            "system ",
            "unknown",
            "Bearer ",
            "sk-",
            "sk-secret",
            "<",
            "<a>",
            "Mon, ",
            "seed",
        ),
    ),
    "proxies": (_forwarded, (*PLAIN, ",", ", ", "for=1,", 'for="\\"', '"', ";", "=")),
    "titles": (title_of, PLAIN),
    "proposed titles": (
        title_in,
        (*PLAIN, "Title: ", "*", '"', "Title:\n", "<a", "</a>", "<a>", "**a ", "[x](", '"a": ', "`", "{"),
    ),
    "excerpts": (excerpt, (*PLAIN, "1", "1 ")),
    "index": (index_words, (*PLAIN, "a b ", "ﷺ", "\u0301", "中文 ")),
    "search": (_found, (*PLAIN, "a中 ", "aa ", "word中")),
    "queries": (query_terms, (*PLAIN, '"', "*", "a*")),
    "cleaning": (clean, (*PLAIN, "\0", "\ud800", "\ud800\udc00")),
    "writing JSON": (lambda text: dump_json({"text": text}), (*PLAIN, "\\", '"', "\0", "\\u0000")),
}


def test_of_an_endpoints_errors_only_the_beginning_is_looked_at() -> None:
    holds(_refused, "exceed", 4 * SAID_CHARS)


@pytest.mark.parametrize(("reader", "unit"), rows({name: units for name, (_, units) in READERS.items()}))
def test_readers(reader: str, unit: str) -> None:
    holds(READERS[reader][0], unit, SHORTER.get(reader, SIZE))


def different(size: int, form: str) -> str:
    """A text with as many different values."""
    return " ".join(form.format(number) for number in range(size))


@pytest.mark.parametrize(
    "form",
    [
        "138{:08}",
        "ada{}@example.com",
        "http://example.com/?tel=138{:08}",
        "[PHONE_{0}] 138{0:08}",
        "我叫王{:04}",
    ],
)
def test_masking_many_values(form: str) -> None:
    def make(size: int) -> Callable[[], object]:
        text = different(size, form)
        return lambda: mask([text, f"again {text}"], Placeholders(), Finder())

    assert growth(make, 150) <= MOST


def test_masking_a_text_where_many_values_are_known() -> None:
    """The cost is that of the text, and of the values."""

    def make(size: int) -> Callable[[], object]:
        placeholders, finder = Placeholders(), Finder()
        mask([different(size, "138{:08}")], placeholders, finder)
        text = "word " * size
        return lambda: mask([text], placeholders, finder)

    assert growth(make, 1000) <= MOST


def test_masking_a_long_conversation() -> None:
    def make(size: int) -> Callable[[], object]:
        path = [f"message {number}: call 138{number:08}" for number in range(size)]
        return lambda: mask(path, Placeholders(), Finder())

    assert growth(make, 150) <= MOST


def test_fitting_a_long_conversation() -> None:
    def make(size: int) -> Callable[[], object]:
        path = [PathMessage(str(number), "user", "word " * 9, "complete") for number in range(size)]
        request = Request(tuple(Message("user", message.text) for message in path))
        return lambda: (first_kept(path, 100), first_kept(path, 20 * size), characters(request))

    assert growth(make, 1000) <= MOST


def test_what_grows_with_the_square_is_seen() -> None:
    def make(size: int) -> Callable[[], object]:
        return lambda: [at for at in range(size) for _ in range(size)]

    assert growth(make, 30) > 3
