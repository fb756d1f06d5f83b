"""Bare addresses in a text: http://, https://, mailto: and www. Follows `addresses.js`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

from webchat.sharing.markdown.chars import UNSPACED, is_word

LONGEST = 2000
MOST_LABELS = 12

_MARK = re.compile(
    "[\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\u201c\u201d\u2018\u2019\u2026]"
)
_PAIRS = {")": "(", "]": "[", "}": "{"}
_TRAILING = re.compile(r"[.,;:!?'*_~]+\Z")
_MAIL = re.compile(r"[A-Za-z0-9_.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_SCHEME = re.compile(r"(?<![A-Za-z0-9_+.-])(?:https?|mailto)\Z", re.IGNORECASE)
_PORT = re.compile(r":[0-9]{1,5}(?![A-Za-z0-9])")
_LITERAL = re.compile(r"\[[0-9a-f:.]{2,45}\]", re.IGNORECASE)
_USERINFO = re.compile(r"(?::[^\s/@]*)?@")
_WWW = re.compile(r"www\.", re.IGNORECASE)
_GOES_ON = re.compile(r"\)?[/?#&=_.+-][A-Za-z0-9%]|/(?:\Z|\s)")
_ENDS = re.compile(r"""\Z|[\s)\]>"'/_,;]""")
_TOP = re.compile(
    "中国|中國|公司|网络|網路|香港|台湾|台灣|澳門|澳门|新加坡|在线|中文网|网址|网站|网店|商城|商标|商店|集团|政务|政府|公益|我爱你|世界|手机|移动|信息|游戏"
    "|娱乐|みんな|コム|ストア|セール|クラウド|한국|삼성|닷컴|닷넷|ไทย|คอม|ລາວ"
)


@dataclass
class _Found:
    """As linkify-it would give it."""

    index: int
    last_index: int
    text: str
    url: str
    schema: str = ""


class Dotted:
    """Finds addresses that begin with www., in the place of linkify-it."""

    def pretest(self, text: str) -> bool:
        return _WWW.search(text) is not None

    test = pretest

    def match(self, text: str) -> list[_Found]:
        return list(_dotted(text))


def addresses(md: MarkdownIt) -> None:
    md.inline.ruler.at("linkify", _schemed)
    md.linkify = Dotted()


def _schemed(state: StateInline, silent: bool) -> bool:
    src, pos = state.src, state.pos
    if src[pos] != ":" or state.linkLevel > 0:
        return False
    pending = state.pending
    scheme = _SCHEME.search(pending[-10:])
    if scheme is None:
        return False
    word = scheme[0]
    begun = pos - len(word)
    end = -1
    if word[0] in "mM":
        end = _mail_end(src, pos + 1)
    elif src.startswith("//", pos + 1):
        end = _web_end(src, pos + 3, begun, 0)
    if end < 0 or end > state.posMax:
        return False
    if not silent:
        words = src[begun:end]
        state.pending = pending[: -len(word)]
        opened = state.push("link_open", "a", 1)
        opened.attrs = {"href": state.md.normalizeLink(words)}
        state.push("text", "", 0).content = state.md.normalizeLinkText(words)
        closed = state.push("link_close", "a", -1)
        opened.markup = closed.markup = "linkify"
    state.pos = end
    return True


def _dotted(text: str) -> Iterator[_Found]:
    begin = 0
    for found in _WWW.finditer(text):
        at = found.start()
        before = text[at - 1 : at]
        joined = is_word(before) or (bool(before) and before in "_/@.:-")
        if at < begin or (joined and not UNSPACED.match(before)):
            continue
        end = _web_end(text, at, at, 2)
        if end < 0:
            continue
        yield _Found(at, end, text[at:end], f"http://{text[at:end]}")
        begin = end


def _mail_end(text: str, begin: int) -> int:
    found = _MAIL.match(text, begin, begin + 400)
    return found.end() if found else -1


def _web_end(text: str, begin: int, begun: int, dots: int) -> int:
    path = _host_end(text, begin, dots)
    if path < 0:
        return -1
    if port := _PORT.match(text, path, path + 7):
        path = port.end()
    if text[path : path + 1] not in ("/", "?", "#"):
        return path
    end = _path_end(text, path, begun)
    trailing = _TRAILING.search(text, path, end)
    return trailing.start() if trailing else end


def _host_end(text: str, begin: int, dots: int) -> int:
    if literal := _LITERAL.match(text, begin, begin + 48):
        return literal.end()
    native = UNSPACED.match(text, begin) is not None
    at, labels = begin, 0
    while labels < MOST_LABELS:
        start = at + 1 if labels else at
        if labels and text[at : at + 1] != ".":
            break
        end = _label_end(text, start, native or _latin_follows(text, start))
        if end == start:
            break
        at = end
        labels += 1
    if _USERINFO.match(text, at, at + 100):
        return -1
    return -1 if labels <= dots and (dots or not labels) else at


def _latin_follows(text: str, start: int) -> bool:
    """Whether a label is followed by one of Latin letters."""
    at = start
    while at < len(text) and at - start < 63 and (is_word(text[at]) or text[at] == "-"):
        at += 1
    behind = text[at + 1 : at + 2]
    return at > start and text[at : at + 1] == "." and behind.isascii() and behind.isalpha()


def _label_end(text: str, begin: int, foreign: bool) -> int:
    unspaced = UNSPACED.match(text, begin) is not None
    if unspaced and not foreign:
        return begin
    first = text[begin : begin + 1]
    latin = first.isascii() and first.isalpha()
    at = begin
    while at < len(text) and at - begin < 64:
        char = text[at]
        if char not in "-_" and not is_word(char):
            break
        if not unspaced and UNSPACED.match(char):
            break
        if latin and char.isalpha() and not unicodedata.name(char, "").startswith("LATIN"):
            break
        at += 1
    if (
        unspaced
        and text[begin - 1 : begin] == "."
        and text[at : at + 1] != "."
        and (top := _TOP.match(text, begin, at))
    ):
        return top.end()
    while at > begin and text[at - 1] == "-":
        at -= 1
    return at


def _path_end(text: str, begin: int, begun: int) -> int:
    opened = {"(": 0, "[": 0, "{": 0}
    last = min(len(text), begin + LONGEST)
    at = begin
    while at < last:
        char = text[at]
        if _MARK.match(char) or _is_end(char):
            break
        behind = text[at + 1 : at + 2]
        if char == "'" and not (behind.isascii() and behind.isalnum()):
            break
        if char in opened:
            opened[char] += 1
        elif char in _PAIRS:
            opened[_PAIRS[char]] -= 1
            if opened[_PAIRS[char]] < 0:
                break
        end = _foreign_end(text, at, begun) if UNSPACED.match(char) else at + 1
        if end == at:
            break
        at = end
    return at


def _is_end(char: str) -> bool:
    category = unicodedata.category(char)[0]
    return char in '<>"`\\^|' or category in "CZ" or char.isspace() or (char > "\x7f" and category in "PS")


def _foreign_end(text: str, at: int, begun: int) -> int:
    before = text[at - 1]
    if before not in "/?#&=_:+(-":
        return at
    end = at
    while end < len(text) and end - at < 40 and is_word(text[end]):
        end += 1
    while end > at and text[end - 1].isascii() and text[end - 1].isalnum():
        end -= 1
    if before in "=#" or _GOES_ON.match(text, end, end + 4):
        return end
    glued = begun > 0 and UNSPACED.match(text[begun - 1]) is not None
    ends = _ENDS.match(text, end, end + 4) or _MARK.match(text, end)
    return end if not glued and ends else at
