"""From Markdown to HTML that may enter a page. Follows `parser.js`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from html import escape
from typing import Any, cast
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from webchat.sharing.markdown import emphasis
from webchat.sharing.markdown.addresses import addresses
from webchat.sharing.markdown.definitions import definitions, new_env
from webchat.sharing.markdown.details import Blocks, details
from webchat.sharing.markdown.fences import fences
from webchat.sharing.markdown.formulas import formulas
from webchat.sharing.markdown.links import FOLLOWED, Following, links
from webchat.sharing.markdown.mathml import mathml
from webchat.sharing.markdown.sanitize import clean
from webchat.sharing.markdown.tables import table_pipes
from webchat.sharing.markdown.tags import tags

MAX_PARAGRAPH = 10_000
"""Characters of one paragraph that are read for marks; a longer one is shown as it is."""

MAX_CHARS = 100_000
"""Of one text; a longer one is shown as it is."""
MAX_SECONDS = 2.0
"""Of the processor, for one text; what takes longer is shown as it is."""

Words = Mapping[str, str]
"""A table of `webchat.sentences`."""

_PARTS = re.compile(r"[\s\S]{1,4000}(?:\s|\Z)|[\s\S]{1,4000}")
_NAMED = re.compile(
    r"data:(image|audio)/([\w.+-]{1,60})(?:;size=([0-9]{1,12})(?:;id=([a-p]{16}))?,\Z)?", re.A
)
_BARE = re.compile(r"data:(?:image|audio)/[\w.+-]{1,60};size=[0-9]{1,12}(?:;id=[a-p]{16})?,", re.A)
_GIVEN = ("picture", "audio")
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_SOUNDS = ("audio/wav", "audio/ogg", "audio/mpeg")
_LANG = re.compile(r"[\w+#.-]{1,30}", re.A)
_ADDRESS = re.compile(r"""(https?://[^\s<>"']+)""")
_ALIGN = re.compile(r"text-align:\s*(\w+)")
_DIRECTED = frozenset(
    {
        "paragraph_open",
        "heading_open",
        "bullet_list_open",
        "ordered_list_open",
        "blockquote_open",
        "summary_open",
    }
)

Rule = Callable[[Sequence[Token], int, OptionsDict, Any], str]


def render(text: str, words: Words, media: str | None = None, prefix: str = "") -> str:
    """The HTML of a message. words: of the reader's language. media: the relative address under which its
    pictures and sounds are, `None` to name them only. prefix: of ids, unique on the page."""
    source = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(source) > MAX_CHARS:
        return _as_written(source, words)
    env = {**new_env(), "words": words, "media": media, "prefix": prefix}
    parser = _parser()  # made with the first text, which is not what takes that long
    env["until"] = time.thread_time() + MAX_SECONDS
    try:
        return clean(parser.render(source, env))
    except TooSlow:
        return _as_written(source, words)


class TooSlow(Exception):
    """A text takes longer than `MAX_SECONDS`."""


def _as_written(source: str, words: Words) -> str:
    return (
        f'<span class="wc-plain" dir="auto">{_text(words["share.plain"])}</span>'
        f'<div class="wc-deep" dir="auto">{_text(source)}</div>'
    )


def _watched(state: StateBlock | StateInline, *_: object) -> bool:
    """A rule that reads nothing. It comes before all others, wherever one is looked for."""
    if time.thread_time() > state.env["until"]:
        raise TooSlow
    return False


@cache
def _parser() -> MarkdownIt:
    options = {"html": False, "linkify": True, "breaks": True, "maxNesting": 40, "inline_definitions": True}
    md = MarkdownIt("js-default", options)
    md.inline, md.block = emphasis.Words(), Blocks()
    following = Following()
    formulas(md)
    addresses(md)
    md.inline.ruler.before("emphasis", "name", emphasis.name)
    tags(md)
    fences(md)
    details(md)
    table_pipes(md)
    definitions(md, following)
    links(md, following)
    md.core.ruler.push("directions", _directions)
    md.inline.ruler.before("linkify", "media", _bare_media)
    md.core.ruler.before("inline", "plain_where_long", _plain_where_long)
    md.block.ruler.before(
        "table", "watched", _watched, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    md.inline.ruler.before("text", "watched", _watched)
    assert isinstance(md.renderer, RendererHTML)
    md.renderer.rules.update(cast(Any, _rules(md.renderer)))
    return md


def _directions(state: StateCore) -> None:
    """Words run by their first letter: blocks of the top level, and cells."""
    for token in state.tokens:
        if token.level == 0 and token.type in _DIRECTED:
            token.attrSet("dir", "auto")


def _bare_media(state: StateInline, silent: bool) -> bool:
    """What came with a reply where no Markdown is around it."""
    if state.src[state.pos] != ":" or not (pending := state.pending).endswith("data"):
        return False
    found = _BARE.match(state.src, state.pos - 4, state.pos + 116)
    if found is None:
        return False
    state.pos = found.end()
    if not silent:
        state.pending = pending[:-4]
        state.push("image", "img", 0).attrs = {"src": found[0]}
    return True


def _plain_where_long(state: StateCore) -> None:
    """Pairs of marks are looked for from each mark, which in a long paragraph costs too much."""
    for token in state.tokens:
        if token.type != "inline" or len(token.content) <= MAX_PARAGRAPH:
            continue
        children = [Token("plain", "span", 0)]
        for part in _PARTS.findall(token.content):
            opened, said = Token("part_open", "span", 1), Token("text", "", 0)
            opened.attrSet("class", "wc-part")
            said.content = part
            children += (opened, said, Token("part_close", "span", -1))
        token.content, token.children = "", children


def _rules(renderer: RendererHTML) -> dict[str, Rule]:
    """How the house's own elements are written."""

    def heading(tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
        tokens[index].attrSet("aria-level", str(int(tokens[index].tag[1]) + 2))
        return renderer.renderToken(tokens, index, options, env)

    def cell(tokens: Sequence[Token], index: int, options: OptionsDict, env: object) -> str:
        found = _ALIGN.search(str(tokens[index].attrGet("style") or ""))
        align = f' class="wc-{found[1]}"' if found else ""
        return f'<{tokens[index].tag}{align} dir="auto">'

    return {
        "fence": _code,
        "code_block": _code,
        "code_inline": lambda tokens, index, *_: f'<code dir="ltr">{_text(tokens[index].content)}</code>',
        "heading_open": heading,
        "math": lambda tokens, index, *_: _formula(
            "span", tokens[index].content, tokens[index].info == "display"
        ),
        "math_block": lambda tokens, index, *_: _formula("div", tokens[index].content, True),
        "image": _image,
        "table_open": lambda *_: '<div class="wc-table" tabindex="0" dir="auto"><table>',
        "table_close": lambda *_: "</table></div>",
        "th_open": cell,
        "td_open": cell,
        "plain": lambda _tokens, _index, _options, env: (
            f'<span class="wc-plain" dir="auto">{_text(env["words"]["transcript.plain"])}</span>'
        ),
        "deep": _deep,
        "task": _task,
        "note_mark": _note_mark,
        "note_open": _note_open,
        "note_close": _note_close,
        "named_link": _named_link,
    }


def _text(text: str) -> str:
    return escape(text, quote=True)


def _code(tokens: Sequence[Token], index: int, _options: OptionsDict, env: object) -> str:
    token = tokens[index]
    found = _LANG.match(token.info.strip())
    lang = _text(found[0].lower() if found else "")
    return (
        '<div class="wc-code" dir="ltr">'
        f'<div class="wc-code-bar"><span class="wc-code-lang">{lang}</span></div>'
        f'<pre tabindex="0"><code data-lang="{lang}">{_text(token.content)}</code></pre></div>'
    )


def _formula(tag: str, tex: str, display: bool) -> str:
    kind = "wc-formula wc-formula-display" if display else "wc-formula"
    return f'<{tag} dir="ltr" class="{kind}">{mathml(tex, display) or _text(tex)}</{tag}>'


def _image(tokens: Sequence[Token], index: int, _options: OptionsDict, env: Any) -> str:
    """An image elsewhere would tell its host who reads this: it is a link."""
    token, words = tokens[index], env["words"]
    src, alt = str(token.attrGet("src") or ""), token.content
    named = _NAMED.match(src)
    if named is not None:
        described = alt if alt and alt not in _GIVEN else ""
        return _media(named, described, env["media"], words, len(src))
    if not FOLLOWED.match(src):
        return f'<span class="wc-unlinked" title="{_text(src)}">{_text(alt or src)}</span>'
    name = words["transcript.image"].format(host=_host(src))
    described = f'<span class="wc-image-alt">{_text(alt)}</span>' if alt else ""
    return (
        f'<a class="wc-image" dir="auto" href="{_text(src)}"><span class="wc-image-name">{_text(name)}</span>'
        f"{described}</a>"
    )


def _media(named: re.Match[str], alt: str, media: str | None, words: Words, length: int) -> str:
    kind, form, size, name = named.groups()
    count = max(1, int(int(size) / 1000 + 0.5) if size else int(length * 3 / 4 / 1000 + 0.5))
    key = "transcript.picture" if kind == "image" else "transcript.sound"
    said = words[f"{key}_kept" if name else key].format(format="?" if form == "unknown" else form, size=count)
    label = f'<span class="wc-image-name">{_text(said)}</span>'
    title = f' title="{_text(alt)}"' if alt else ""
    where = f"{media}{name}" if name and media is not None else None
    if where and f"{kind}/{form}" in _PICTURES:
        shown = _text(f"{alt} ({said})" if alt else said)
        picture = f'<img src="{where}" alt="{shown}" loading="lazy" decoding="async">'
        return f'<span class="wc-image wc-media"{title}><a href="{where}">{picture}</a></span>'
    if where and f"{kind}/{form}" in _SOUNDS:
        sound = f'<audio src="{where}" controls preload="metadata" aria-label="{_text(said)}"></audio>'
        return f'<span class="wc-image wc-media" dir="auto"{title}>{sound}{label}</span>'
    inner = f'<a href="{where}">{label}</a>' if where else label
    return f'<span class="wc-image" dir="auto"{title}>{inner}</span>'


def _host(address: str) -> str:
    try:
        return urlsplit(address).netloc.rpartition("@")[2] or address[:40]
    except ValueError:
        return address


def _deep(tokens: Sequence[Token], index: int, _options: OptionsDict, env: Any) -> str:
    pieces = "".join(
        f'<span class="wc-part">{_text(line)}</span>' for line in tokens[index].content.split("\n")
    )
    return f'<div class="wc-deep" dir="auto" title="{_text(env["words"]["transcript.deep"])}">{pieces}</div>'


def _task(tokens: Sequence[Token], index: int, _options: OptionsDict, env: Any) -> str:
    done = tokens[index].meta["done"]
    label = _text(env["words"]["transcript.task_done" if done else "transcript.task_open"])
    return f'<input type="checkbox" disabled{" checked" if done else ""} aria-label="{label}"> '


def _note_mark(tokens: Sequence[Token], index: int, _options: OptionsDict, env: Any) -> str:
    number, prefix = tokens[index].meta["number"], env["prefix"]
    label = _text(env["words"]["transcript.note"].format(number=number))
    return (
        f'<sup class="wc-mark"><a href="#{prefix}note-{number}" id="{prefix}mark-{number}"'
        f' aria-label="{label}">{number}</a></sup>'
    )


def _note_open(tokens: Sequence[Token], index: int, _options: OptionsDict, env: Any) -> str:
    meta, prefix = tokens[index].meta, env["prefix"]
    if meta["label"] in env["used"]:
        number = meta["number"]
        return (
            f'<div class="wc-footnote" id="{prefix}note-{number}" role="note" tabindex="-1" dir="auto">'
            f'<span class="wc-note-number">{number}.</span><div>'
        )
    source = f"{meta['source']} "
    if tokens[index + 1].type == "paragraph_open":
        said = Token("text", "", 0)
        said.content = source
        inline = tokens[index + 2]
        inline.children = [said, *(inline.children or [])]
        return '<div class="wc-unnamed" dir="auto">'
    return f'<div class="wc-unnamed" dir="auto"><p>{_text(meta["source"])}</p>'


def _note_close(tokens: Sequence[Token], index: int, _options: OptionsDict, env: Any) -> str:
    meta, prefix = tokens[index].meta, env["prefix"]
    if meta["label"] not in env["used"]:
        return "</div>"
    number = meta["number"]
    back = _text(env["words"]["transcript.note_back"].format(number=number))
    return (
        f'</div><a class="wc-note-back" href="#{prefix}mark-{number}" aria-label="{back}" title="{back}">'
        "↩</a></div>"
    )


def _named_link(tokens: Sequence[Token], index: int, _options: OptionsDict, env: Any) -> str:
    meta = tokens[index].meta
    if meta["first"] and meta["label"] in env["used"]:
        return ""
    pieces = (
        f'<a href="{_text(piece)}">{_text(piece)}</a>' if at % 2 else _text(piece)
        for at, piece in enumerate(_ADDRESS.split(meta["source"]))
    )
    return f'<p class="wc-unnamed" dir="auto">{"".join(pieces)}</p>'
