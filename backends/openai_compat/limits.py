"""Limits on how much of an endpoint's data is read and examined. Endpoints quote what people write, and
anyone may be behind one, so everything they send is truncated by one of these first."""

from __future__ import annotations

EVENT_BYTES = 1 << 20
"""Of one event of a stream, or of a reply that comes whole, without pictures and sound: more than any real
one."""

MEDIA_BYTES = 64 << 20
"""Of the pictures and sound in one: ten of the largest that models make."""

KEPT_BYTES = 4 << 20
"""Of a picture or sound that is kept: a PNG of 1024 by 1024 has 1 to 3 MB, four minutes of MP3 have 4. What
is larger is only named."""

KEPT_REPLY_BYTES = 16 << 20
"""Of all that is kept of one reply."""

KEPT_IN_REPLY = 16
"""Pictures and sounds that are kept of one reply."""

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
