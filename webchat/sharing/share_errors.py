"""Why a share is not made, opened or copied.

ShareError
├── ShareNotAllowed    this owner, or this server, shares nothing
├── ShareEmpty         none of the chosen messages can be shared
├── ShareCopies    somebody copied too many today
├── ShareEnded         it was ended or its time is over: told only to who has its address
├── ShareLocked        it needs its password
└── ShareDelayed       too many wrong passwords before this one, which was not looked at
"""

from __future__ import annotations

from math import ceil

from backends._plurals import counted
from backends.errors import ExplainedError


class ShareError(ExplainedError):
    """Base of these errors."""


class ShareNotAllowed(ShareError):
    """Shares are off, or this owner may make none; or this one may not be copied."""

    code = "share_not_allowed"
    status = 403
    message = "Sharing is not allowed here."
    cure = "Ask the administrator."


class ShareEmpty(ShareError):
    """Nothing to share."""

    code = "share_empty"
    status = 400
    message = "There is nothing to share yet."
    cure = "Choose at least one message that is complete."


class ShareCopies(ShareError):
    """Somebody has copied as much as one owner can in a day."""

    code = "share_copies"
    status = 429
    message = "You have continued as many shared chats as one person can in a day."
    cure = "Try again tomorrow."


class ShareEnded(ShareError):
    """Ended by its owner, or expired."""

    code = "share_ended"
    status = 410
    message = "This shared chat is no longer available."
    cure = "Ask for a new link."


class ShareLocked(ShareError):
    """The password is missing or wrong."""

    code = "share_locked"
    status = 403
    message = "The password is wrong."
    cure = "Check it, then try again."


class ShareDelayed(ShareError):
    """seconds: until the next try is looked at."""

    code = "share_delayed"
    status = 429
    message = "Too many wrong passwords."

    def __init__(self, seconds: float) -> None:
        self.seconds = ceil(seconds)
        super().__init__(
            cure=f"Try again in {counted(self.seconds, 'second')}.",
            params={"retry_after": self.seconds},
        )
