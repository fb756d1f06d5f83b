"""Limits on how much of an endpoint's data is read and examined. Endpoints quote what people write, and
anyone may be behind one, so everything they send is truncated by one of these first."""

from __future__ import annotations

EVENT_BYTES = 1 << 20
"""Of one event of a stream, or of a reply that comes whole, without pictures and sound: more than any real
one."""

MEDIA_BYTES = 64 << 20
"""Of the pictures and sound in one: ten of the largest that models make."""

LIST_BYTES = 2 << 20
"""Of a list of models; the longest there is has a third of it."""

MODELS = 2000
"""Of a list, the first so many."""

ID_CHARS = 300
"""Of the id of a model. One that is longer names none."""

NAME_CHARS = 200
"""Of any other name: a reason to end, a fingerprint, a token."""

HEADER_CHARS = 100
"""Of a header that is read."""

ERROR_BYTES = 64 << 10
"""Of the body of an answer that refuses."""

SAID_CHARS = 4096
"""Of the words in it."""
