"""What a request says beside the words of its messages: calls, tools, formats and stop strings."""

from __future__ import annotations

from backends.texts import Unchangeable, texts_of, with_texts
from backends.types import Request
from webchat.moderation.calls import SENTENCE, UNSETTLED, Check
from webchat.moderation.verdicts import Blocked, Verdict, fixed


async def checked_beside(request: Request, check: Check) -> Request:
    """The request with these texts as they may be sent. They are checked together, one per line: a schema has
    hundreds of words, and some moderators ask another machine. Only if something in them has to change is
    each checked separately. Raises `Blocked`."""
    texts = texts_of(request)
    beside = list(dict.fromkeys(text.text for text in texts if not text.said and text.text))
    said = "\n".join(beside)
    if not beside or await check(said, False) == said:
        return request
    changed = {text: await check(text, True) for text in beside}
    rest = "\n".join(changed.values())
    if await check(rest, True) != rest:
        # It is in no single text, so nothing can be put in its place.
        raise Blocked(Verdict(UNSETTLED, SENTENCE))
    try:
        return with_texts(request, [one.text if one.said else changed.get(one.text, "") for one in texts])
    except Unchangeable as error:
        raise Blocked(fixed(error.place)) from None
