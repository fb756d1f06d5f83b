"""The page of a share as HTML: complete without scripts, in pieces so that a long one begins at once. Pure
functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape
from importlib.resources import files
from string import Template

from webchat.sentences import Language, locale
from webchat.store.share_records import Share, SharedMessage

STYLES = ("colours", "theme", "base", "prose", "code", "share")
"""The page's own sheets that a share needs, and one of its own."""

_DESCRIPTION_CHARS = 160
_SCRIPTED = {"copy": "copy_code", "copied": "copied"}
"""What the script says, and the keys of the words."""

_ENDED = frozenset({"stopped", "interrupted", "failed", "blocked"})
_PAGE = Template(files("webchat.sharing").joinpath("share.html").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Frame:
    """What the pages of one server have in common. language: of the reader. assets: where the page's own
    files are, relative to the address of shares; empty if nowhere. nonce: of this delivery."""

    language: Language
    assets: str = ""
    nonce: str = ""

    @property
    def words(self) -> Mapping[str, str]:
        return locale(self.language)


def beginning(frame: Frame, share: Share, first: SharedMessage | None) -> str:
    """Everything above the messages. first: whose text describes the share where others show its link."""
    words = frame.words
    title = " ".join(share.title.split()) or words["share.untitled"]
    about = [words["share.about"].format(when=_day(share.created_at))]
    if share.masked:
        about.append(words["share.masked"])
    lines = "".join(f"<p>{escape(line)}</p>" for line in about)
    return page(
        frame,
        title if share.preview else words["share.title"],
        _preview(title, first) if share.preview else "",
        f'<header class="wc-share-head"><h1 dir="auto">{escape(title)}</h1>{lines}</header>\n'
        f'<main class="wc-share wc-transcript-text">\n',
    )


def message(frame: Frame, share_id: str, number: int, shared: SharedMessage) -> str:
    """One message, with its pictures and sounds from below the share's address."""
    words = frame.words
    person = shared.role == "user"
    who = words["share.person"] if person else (shared.model or words["share.model"])
    media = f"{share_id}/media/"
    if person:
        said = f'<div class="wc-words" dir="auto">{escape(shared.text)}</div>'
    elif shared.role == "tool":
        who, said = words["transcript.tool"], _folded(words["transcript.tool_result"], shared.text)
    else:
        text = reply(shared.text, words, media, f"m{number}-")
        said = f'<div class="wc-md">{text}</div>' if shared.text else ""
        said += "".join(
            _folded(words["transcript.tool_call"].format(name=call.name), call.arguments)
            for call in shared.tool_calls
        )
    thought = ""
    if shared.reasoning.strip():
        inner = reply(shared.reasoning, words, media, f"r{number}-")
        thought = (
            f'<details class="wc-share-reasoning"><summary>{escape(words["share.reasoning"])}</summary>'
            f'<div class="wc-md">{inner}</div></details>'
        )
    note = ""
    if not person and shared.state in _ENDED:
        note = f'<p class="wc-share-note">{escape(words[f"share.state.{shared.state}"])}</p>'
    return (
        f'<article class="wc-share-{"user" if person else "reply"}" id="m{number}">'
        f'<h2><span dir="auto">{escape(who)}</span> {_time(shared.created_at)}</h2>{thought}{said}{note}'
        "</article>\n"
    )


def _folded(title: str, text: str) -> str:
    """Something of a tool, word for word."""
    return (
        f'<details class="wc-share-reasoning"><summary dir="auto">{escape(title)}</summary>'
        f'<pre dir="auto">{escape(text)}</pre></details>'
    )


def reply(text: str, words: Mapping[str, str], media: str | None, prefix: str) -> str:
    """The HTML of a reply. media: see `render`."""
    from webchat.sharing.markdown.parser import render  # takes a while, and only readers need it

    return render(text, words, media, prefix)


def ending(frame: Frame, share: Share) -> str:
    """Everything below the messages."""
    words = frame.words
    copy = ""
    if share.allow_copy:
        copy = f'<p><a class="wc-share-copy" href="../?copy={share.id}">{escape(words["share.copy"])}</a></p>'
    script = ""
    if frame.assets:
        words_of = {name: words[f"transcript.{key}"] for name, key in _SCRIPTED.items()}
        data = "".join(f' data-{name}="{escape(said)}"' for name, said in words_of.items())
        script = (
            f'<script type="module" nonce="{frame.nonce}" src="{frame.assets}share.js" id="wc-share-script"'
            f"{data}></script>\n"
        )
    notice = escape(words["share.notice"])
    return (
        f'</main>\n<footer class="wc-share-foot">{copy}<p>{notice}</p></footer>\n{script}</body>\n</html>\n'
    )


def locked(frame: Frame, problem: str = "") -> str:
    """The form that asks for the password. It says nothing of what it protects."""
    words = frame.words
    told = f'<p class="wc-share-problem" role="alert">{escape(problem)}</p>' if problem else ""
    label, ask = escape(words["share.password"]), escape(words["share.open"])
    return page(
        frame,
        words["share.title"],
        # Without a referrer a browser names no origin either, and a form that names none is refused.
        '<meta name="referrer" content="same-origin">\n',
        f'<main class="wc-share-card"><h1>{escape(words["share.locked"])}</h1>'
        f'<p>{escape(words["share.locked_words"])}</p>{told}<form method="post"><label>{label}'
        '<input type="password" name="password" required autofocus maxlength="200" autocomplete="off">'
        f"</label><button>{ask}</button></form></main>\n</body>\n</html>\n",
    )


def missing(frame: Frame, *, ended: bool) -> str:
    """ended: said only to who has the right address."""
    words = frame.words
    key = "ended" if ended else "none"
    return page(
        frame,
        words["share.title"],
        "",
        f'<main class="wc-share-card"><h1>{escape(words[f"share.{key}"])}</h1>'
        f"<p>{escape(words[f'share.{key}_words'])}</p></main>\n</body>\n</html>\n",
    )


def page(frame: Frame, title: str, head: str, body: str) -> str:
    """A page up to the end of `body`. title: text; head, body: HTML."""
    sheets = "".join(
        f'<link rel="stylesheet" href="{frame.assets}styles/{name}.css">\n' for name in STYLES if frame.assets
    )
    return _PAGE.substitute(language=frame.language, title=escape(title), head=head, styles=sheets, body=body)


def _preview(title: str, first: SharedMessage | None) -> str:
    words = " ".join((first.text if first else "")[: 8 * _DESCRIPTION_CHARS].split())
    if len(words) > _DESCRIPTION_CHARS:
        words = f"{words[:_DESCRIPTION_CHARS].rstrip()}…"
    tags = {"og:type": "article", "og:title": title, "og:description": words}
    lines = [f'<meta property="{name}" content="{escape(value)}">\n' for name, value in tags.items() if value]
    return "".join(lines) + (f'<meta name="description" content="{escape(words)}">\n' if words else "")


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


def _time(at: datetime) -> str:
    return f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at:%Y-%m-%d %H:%M} UTC</time>'
