"""What a person wrote themselves, in a form that can be compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from webchat.store.judgement_records import JudgedMessage

MOST_COMPARED = 20_000
"""Characters of a text that are compared."""

_ALONE = 16
"""Letters from which a message is compared by itself, not only with the rest of its conversation."""

_SHORT, _LONG = 320, 480
"""Characters up to which a text is compared by short n-grams, and from which by long ones. In between by
both, so that a text has something in common with one that is a little longer."""

_NOT_LETTERS = re.compile(r"[\W_]+")
_DENSE = re.compile(r"[぀-ヿ㐀-鿿豈-﫿가-힯]")
"""Characters that are about a word each."""


def normalised(text: str) -> str:
    """Letters and digits alone, of one width and case."""
    folded = unicodedata.normalize("NFKC", text[:MOST_COMPARED]).casefold()
    return _NOT_LETTERS.sub("", folded)


_GREETINGS = frozenset(
    normalised(text)
    for text in """
hi, hello, hey, hiya, yo, hi there, hello there, hey there, good morning, good evening, bye
how are you, hi how are you, hello how are you, who are you, what can you do
test, testing, ping, thanks, thank you, thx, ok, okay, yes, no, go on, continue
你好, 您好, 你好啊, 你好呀, 嗨, 哈喽, 在吗, 在么, 早, 早上好, 下午好, 晚上好, 再见
你是谁, 你能做什么, 你会什么, 你可以做什么, 测试, 谢谢, 多谢, 谢谢你, 好, 好的, 嗯, 继续
""".replace("\n", ",").split(",")
)


def own_words(prompt: Sequence[JudgedMessage], common: frozenset[str]) -> Iterator[str]:
    """The texts by which a prompt is compared, normalised: all that the person wrote, and each long message.

    common: normalised texts that are nobody's own words; greetings are not, either.
    """
    own = [
        text
        for message in prompt
        if message.role == "user" and not message.template and (text := normalised(message.text))
        if text not in _GREETINGS and text not in common
    ]
    if own:
        yield "".join(own)[:MOST_COMPARED]
    if len(own) > 1:
        yield from (text for text in own if _letters(text) >= _ALONE)


def grams(text: str) -> Iterable[tuple[int, set[bytes]]]:
    """The character n-grams of a normalised text, with their length. Words are not told apart, which works
    for Chinese, too."""
    dense = len(_DENSE.findall(text)) > 0.3 * len(text)
    if dense or len(text) <= _LONG:
        yield 3, _grams(text, 3)
    if not dense and len(text) >= _SHORT:
        yield 5, _grams(text, 5)


def _grams(text: str, size: int) -> set[bytes]:
    return {text[at : at + size].encode("utf-8", "replace") for at in range(max(1, len(text) - size + 1))}


def _letters(text: str) -> int:
    return len(text) + len(_DENSE.findall(text))
