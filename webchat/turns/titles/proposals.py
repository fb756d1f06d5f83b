"""Extracts the title from a model's answer to a request for one.

Models rarely answer with the title alone. The text around it is recognized by its form, in every language:
thoughts end with a closing tag, a preamble with a colon, an explanation with a full stop; the title itself is
in JSON, a tag, bold, quotes, or after the first number of a list. `LABELS` is the only list of words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

TITLE_CHARS = 60
_READ = 4000  # characters from the end of an answer: some models write on and on

LABELS = frozenset(
    {
        "title", "titel", "titre", "título", "titulo", "titolo", "tittel", "otsikko", "tytuł", "název",
        "názov", "cím", "başlık", "judul", "tajuk", "tiêu đề", "заголовок", "название", "назва", "τίτλος",
        "عنوان", "العنوان", "כותרת", "शीर्षक", "শিরোনাম", "ชื่อเรื่อง", "หัวข้อ", "标题", "標題", "題目", "题目",
        "主题", "主題", "タイトル", "テーマ", "제목", "주제", "topic", "subject", "thema", "sujet", "tema",
        "тема",
    }
)  # fmt: skip
"""Labels before a title, followed by a colon."""

_PAIRS = {
    '"': '"', "'": "'", "`": "`", "“": "”", "”": "”", "‘": "’", "„": "“", "‚": "‘", "«": "»", "»": "«",
    "‹": "›", "「": "」", "『": "』", "《": "》", "〈": "〉", "【": "】", "[": "]", "(": ")", "（": "）",
}  # fmt: skip
_FENCE = re.compile(r"^\s*(?:```|~~~)[^\n`]*$", re.M)
_CLOSING = re.compile(r"</\s*([^<>\s/]{1,40})\s*>|\[/([^\[\]\s/]{1,40})\]|◁/([^◁▷]{1,40})▷", re.I)
_ELEMENT = re.compile(
    r"<([^<>\s/]{1,40})(?:\s[^<>]*)?>([^<>]+)</\s*\1\s*>|\[([^\[\]\s/]{1,40})\]([^\[\]]+)\[/\3\]", re.I
)
_FIELD = re.compile(r"""["'][^"'{}\[\]\n]{1,40}["']\s*:\s*\[?\s*(?:"([^"\n]+)|'([^'\n]+))""")
_BOLD = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_NUMBER = re.compile(r"^(?:[(（]?(?:1|a|A|i|I|一|①)\s*[.)）、．](?!\d)\s*|①\s*|[-*+•‣–—>]\s+|#{1,6}\s+)")
_OPENING = re.compile(r"^[<\[]([^<>\[\]]{1,40})[>\]]\s*(?=\S)")
_SENTENCE = re.compile(r"(?:[.!?…。！？｡؟।]+)[\"'”’»」』)）*_]*$")
_QUOTED_END = re.compile(r"[\s:：,，是為为]\s*([\"“„«「『《].+[\"”“»」』》])\s*[.!?。！？]?$")
_RULE = re.compile(r"^[\s*_=~#-]*$")


def title_in(answer: str, *, cut: bool = False, instruction: str = "") -> str:
    """The title in a model's answer; `""` if nothing in it could be one.

    cut: the answer reached its maximum length, so its last line is incomplete. instruction: a small model may
    only repeat part of it.
    """
    text = _FENCE.sub("", _after_thoughts(answer[-_READ:])).strip()
    found = _in_json(text) or _in_element(text) or _in_lines(text, cut=cut)
    title = _bare(found)
    unusable = len(title) > TITLE_CHARS or _is_preamble(title) or re.match(r"[<{\[]", title)
    return "" if unusable or title.casefold() in instruction.casefold() else title


def _after_thoughts(text: str) -> str:
    """The text after the last closing tag without an opening one, or after the thoughts between two."""
    start = 0
    for match in _CLOSING.finditer(text):
        name = next(filter(None, match.groups()))
        opened = re.search(rf"[<\[◁]{re.escape(name)}(?=[\s>\]▷])", text[start : match.start()], re.I)
        rest = text[match.end() :]
        if rest.strip() and (opened is None or "think" in name.lower()):
            start = match.end()
    return text[start:]


def _in_json(text: str) -> str:
    """The first string in a JSON value that the answer is or contains; an incomplete one counts as well."""
    if not re.search(r"[{\[\"]", text[:200]):
        return ""
    begin = min((at for at in (text.find("{"), text.find('["')) if at >= 0), default=0)
    try:
        value, _ = json.JSONDecoder().raw_decode(text[begin:])
    except (ValueError, RecursionError):
        match = _FIELD.search(text)
        return next(filter(None, match.groups())) if match and "{" in text[: match.start() + 1] else ""
    return next(_texts(value), "") if isinstance(value, dict | list) else ""


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str) and value.strip():
        yield value
    elif isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict):
            inner = sorted(value, key=lambda name: str(name).casefold() not in LABELS)
            inner = [value[name] for name in inner]
        for one in inner:
            yield from _texts(one)


def _in_element(text: str) -> str:
    match = _ELEMENT.search(text)
    return (match[2] or match[4]).strip() if match else ""


def _in_lines(text: str, *, cut: bool) -> str:
    lines = [line for raw in text.splitlines() if (line := raw.strip()) and not _RULE.match(line)]
    if cut and len(lines) > 1:
        lines.pop()
    for at, line in enumerate(lines[:-1]):
        if _is_preamble(line) and not _is_preamble(_inner(lines[at + 1])):
            lines = lines[at + 1 :]
            break
    shown = [one for line in lines if (one := _inner(line)) and not _is_preamble(one)]
    names = [one for one in shown if not _SENTENCE.search(one) and not re.fullmatch(r"[(（].*[)）]", one)]
    return next(iter(names or shown), "")


def _inner(line: str) -> str:
    """The title within a line: after a label or a number; in bold or quotes if the rest is prose."""
    line = _LINK.sub(r"\1", _NUMBER.sub("", line)).strip()
    line = _OPENING.sub(lambda tag: "" if _is_label(tag[1]) else tag[0], line)
    bold = [match[2].strip() for match in _BOLD.finditer(line)]
    plain = _BOLD.sub(r"\2", line).strip()
    head, rest = _parted(plain)
    if rest and (
        _is_label(head)
        or _is_sentence(head)
        or _wrapped(rest)
        or head in {one.rstrip(":： ") for one in bold}
    ):
        return rest
    if _SENTENCE.search(plain):
        quoted = _QUOTED_END.search(plain)
        return quoted[1] if quoted else bold[-1] if bold else plain
    return plain


def _parted(line: str) -> tuple[str, str]:
    """The text before the first colon, and the text after it."""
    head, _, rest = line.replace("：", ":").partition(":")
    return head.strip(), rest.strip()


def _is_sentence(head: str) -> bool:
    """Whether the text before a colon is more than a name: `Sure! Here is a title`, `好的，标题是`."""
    return re.search(r"[!?,]\s|[！？。，]", head) is not None


def _is_label(head: str) -> bool:
    return head.strip(" *_#\"'").casefold() in LABELS


def _is_preamble(line: str) -> bool:
    return line.rstrip(" *_\"'”’").endswith((":", "：")) or _is_label(line)


def _wrapped(line: str) -> bool:
    line = line.rstrip(".。!！ ")
    return len(line) > 2 and _PAIRS.get(line[0]) == line[-1]


def _bare(line: str) -> str:
    """Without surrounding marks and quotes, on one line."""
    line = " ".join(_BOLD.sub(r"\2", line).split())
    before = None
    while line != before:
        before = line
        line = line.strip(" \t*_#~").rstrip(".。")
        if len(line) > 1 and _PAIRS.get(line[0]) == line[-1] and line[-1] not in line[1:-1]:
            line = line[1:-1]
        elif line and line[0] in "\"'“‘„«「『《`" and _PAIRS[line[0]] not in line[1:]:
            line = line[1:]  # its end was not written
    return line.strip()
