"""The last step before anything made from somebody's words enters a page."""

from __future__ import annotations

import re

import nh3

_TAGS = frozenset(
    re.findall(
        r"\S+",
        "a audio b blockquote br code del details div em h1 h2 h3 h4 h5 h6 hr i img input ins kbd li mark"
        " ol p pre s small span strong sub summary sup table tbody td th thead tr u ul math mrow mi mo mn ms"
        " mtext mspace msup msub msubsup mfrac msqrt mroot mover munder munderover mtable mtr mtd mpadded"
        " mphantom menclose mstyle mmultiscripts mprescripts none semantics annotation",
    )
)
_ATTRIBUTES = {
    "*": {"class", "dir", "title", "tabindex", "role", "aria-label", "aria-level", "id"},
    "a": {"href"},
    "audio": {"src", "controls", "preload"},
    "code": {"data-lang"},
    "details": {"open"},
    "img": {"src", "alt", "loading", "decoding"},
    "input": {"type", "disabled", "checked"},
    "ol": {"start"},
    "annotation": {"encoding"},
    "math": {"display", "displaystyle"},
    "menclose": {"notation"},
    "mfrac": {"linethickness"},
    "mi": {"mathvariant"},
    "mo": {"fence", "form", "largeop", "lspace", "maxsize", "minsize", "movablelimits", "rspace", "separator",
           "stretchy", "symmetric", "accent"},
    "mover": {"accent"},
    "mpadded": {"width", "height", "depth", "lspace", "voffset"},
    "mspace": {"width", "height", "depth"},
    "mstyle": {"displaystyle", "scriptlevel", "mathcolor", "mathbackground"},
    "mtable": {"columnalign", "columnlines", "columnspacing", "displaystyle", "rowlines", "rowspacing"},
    "mtd": {"columnalign"},
    "munder": {"accentunder"},
    "munderover": {"accent", "accentunder"},
}  # fmt: skip
_LINK = re.compile(r"https?:|mailto:|#[A-Za-z0-9-]+\Z|(?:\.\./)?(?:[a-z0-9-]+/)*[a-p]{16}\Z", re.IGNORECASE)
_MEDIA = re.compile(r"(?:\.\./)?(?:[A-Za-z0-9_-]+/)*[a-p]{16}\Z")


def _own(tag: str, name: str, value: str) -> str | None:
    """Addresses elsewhere only where a reader follows them."""
    if name == "href":
        return value if _LINK.match(value) else None
    if name == "src":
        return value if _MEDIA.match(value) else None
    return value


_cleaner = nh3.Cleaner(
    tags=set(_TAGS),
    clean_content_tags={"script", "style"},
    attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
    attribute_filter=_own,
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer",
    strip_comments=True,
)


def clean(html: str) -> str:
    """HTML with nothing that runs, loads from elsewhere, or acts as the page's own. Pictures and sounds have
    relative addresses: of the share itself, or of what operators read in the console."""
    return _cleaner.clean(html)
