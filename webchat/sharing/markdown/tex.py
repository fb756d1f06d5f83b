"""Whether what stands between two delimiters is a formula. Follows `tex.js`."""

from __future__ import annotations

import re

from webchat.sharing.markdown.chars import LETTER, LETTER_OR_DIGIT, WORD_CHAR

_NAMED = re.compile(
    r"\\(?:text[A-Za-z0-9_]*|math(?:rm|sf|tt|it|bf)|operatorname\*?|mbox|begin|end|tag|label)\s*\{[^{}]*\}"
)
_ANY_COMMAND = re.compile(r"\\(?:[A-Za-z]+|.)")
_COMMAND = re.compile(r"\\(?:[A-Za-z]{2,}|[,;:! {}|\\%])")
_LETTER_COMMAND = re.compile(r"\\[A-Za-z]")
_RAISED = re.compile(rf"(?:{LETTER_OR_DIGIT}|[)\]}}|'!∑∏∫])[\^_](?:{LETTER_OR_DIGIT}|[{{\\*+\-'(∞†])")
_LONG_BASE = re.compile(r"[A-Za-z]{4,}[0-9]*_")
_RELATION = re.compile(r"[=<>≤≥≠≈≡∈→⇒±×÷·∞√∑∫∂∇+\-*/|]")
_STRANGE = re.compile(
    rf"""["`“”„«»…–—@#&%€£¥]|\*\*|\]\(|://|{LETTER}{{2}}\.{LETTER}{{2}}|{LETTER}{{2}}->|[0-9]{LETTER}{{4}}"""
    rf"""|(?<!{LETTER_OR_DIGIT})(?<![)\]}}'])'"""
)
_START = re.compile(r"""[,;:?)}%&@#'"/]|\.(?![0-9])|\*.|\|[\^_]""")
_END = re.compile(r"[(\[{,;:&=/<]\Z|(?<![\^_{])[+\-*>]\Z")
_WORD = re.compile(rf"""["'(\[]*{WORD_CHAR}{{2,}}(?:['’-]{WORD_CHAR}+)*[.,;:!?)\]"']*\Z""")
_OPERATOR = re.compile(r"[-+*/=<>≤≥≠≈≡∈→⇒±×÷·|&:,∎]+\Z")
_FUNCTIONS = frozenset(
    re.findall(
        r"\S+",
        "sin cos tan cot sec csc sinh cosh tanh arcsin arccos arctan log ln lg exp lim max min sup inf det"
        " dim ker gcd lcm mod arg deg Pr div curl grad tr rank",
    )
)
_DIFFERENTIAL = re.compile(r"d[a-zθφ]\Z")
_LONE = re.compile(rf"(?:{WORD_CHAR}{{4,}}[0-9]*|{LETTER}{{2,}}(?:\|{LETTER}{{2,}})+)\Z")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7ff]")
_UNSPACED_MARK = re.compile(r"[\u3000-\u303f\uff01-\uff0f\uff1a-\uff20]")
_SIGN = re.compile(r"[-+*<>=±×÷·]\Z")
_NAMES_SOMETHING = re.compile(rf"{LETTER_OR_DIGIT}|[∞∅]")
_UNCLOSED = re.compile(r"[^(\[{]*[)\]}]")
_BRACKETED = re.compile(rf"[0-9\s,.–-]+\Z|(?:[A-Za-z0-9_]-[A-Za-z0-9_])+\Z|{LETTER}{{3,}}\Z")
_LONG_WORD = re.compile(rf"{LETTER}{{4}}|^\s*-")
_OPENS = re.compile(r"[(\[{]\Z")


def _prose(tex: str) -> int:
    """Words that stand beside other words or figures with nothing but a space between them."""
    chunks = _ANY_COMMAND.sub(" ∎ ", _NAMED.sub(" ∎ ", tex)).split()

    def apart(at: int) -> bool:
        return not 0 <= at < len(chunks) or _OPERATOR.match(chunks[at]) is not None

    return sum(_is_word(chunk) and not (apart(at - 1) and apart(at + 1)) for at, chunk in enumerate(chunks))


def _is_word(chunk: str) -> bool:
    if not _WORD.match(chunk):
        return False
    bare = chunk.removeprefix("(")
    bare = bare[:-1] if bare[-1:] in (",", ")") else bare
    return bare not in _FUNCTIONS and not _DIFFERENTIAL.match(bare)


def _count(text: str, marks: str) -> int:
    return sum(text.count(mark) for mark in marks)


def _balanced(tex: str) -> bool:
    paired = _count(tex, "([{") == _count(tex, ")]}") and not _UNCLOSED.match(tex)
    return paired and (_count(tex, "|") % 2 == 0 or not (tex.startswith("|") or tex.endswith("|")))


def strong(tex: str) -> bool:
    """Whether it has what only TeX has: a command, or a sub- or superscript."""
    return bool(_COMMAND.search(tex)) or (bool(_RAISED.search(tex)) and not _LONG_BASE.search(tex))


def looks_like_tex(source: str) -> bool:
    """Whether the text between two dollar signs is a formula."""
    tex = source.strip()
    if not tex or _START.match(tex):
        return False
    if _COMMAND.search(tex):
        return not _OPENS.search(tex) and _prose(tex) < (2 if tex[0] in "0123456789" else 4)
    strange = _LETTER_COMMAND.search(tex) or _STRANGE.search(re.sub(r"\\.", "x", tex))
    if strange or _UNSPACED_MARK.search(tex) or not _balanced(tex) or _prose(tex) > 0:
        return False
    if _SIGN.match(tex):
        return True
    capitals = len(tex) <= 6 and all(char.isupper() for char in tex)
    if not _NAMES_SOMETHING.search(tex) or _END.search(tex) or (_LONE.match(tex) and not capitals):
        return False
    if _UNSPACED.search(tex):
        return bool(_RELATION.search(tex)) and tex[0] not in "0123456789"
    return not _LONG_BASE.search(tex)


def looks_displayed(tex: str) -> bool:
    """Whether the text between escaped square brackets within a line is a formula."""
    if not looks_like_tex(tex):
        return False
    return strong(tex) or (bool(re.search("[=<>≤≥≠≈]", tex)) and not _LONG_WORD.search(tex))


def stands_alone(tex: str) -> bool:
    """The same where the brackets have a line of their own."""
    return looks_displayed(tex) or (looks_like_tex(tex) and not _BRACKETED.match(tex))


def reads_as_prose(tex: str) -> bool:
    """Whether what is set apart on lines of its own is words all the same."""
    return _prose(tex) >= (6 if _COMMAND.search(tex) else 3)
