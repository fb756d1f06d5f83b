"""Why a sign-in through a provider or a proxy fails.

    SignInFailed
    ├── ProviderUnreachable   the provider does not answer, or with something unusable
    ├── SignInExpired         no sign-in with this state is under way, or not any more
    ├── SignInRefused         the person cancelled at the provider
    ├── SignInInvalid         the answer or its token fails a check
    └── SignInNotAllowed      the person is known, but no rule admits them

`reason` is for the log alone. It never contains a token, a code, a secret or personal data.
"""

from __future__ import annotations

from backends.errors import ExplainedError


class SignInFailed(ExplainedError):
    """Base of these errors."""

    code = "sign_in_failed"
    status = 401
    message = "The sign-in failed."
    cure = "Try again; if it keeps happening, contact the administrator."

    def __init__(self, reason: str = "") -> None:
        super().__init__()
        self.reason = reason


class ProviderUnreachable(SignInFailed):
    """No usable answer from the provider within the time limit."""

    code = "sign_in_unreachable"
    status = 502
    message = "The sign-in service cannot be reached."
    cure = "Try again in a moment; if it keeps happening, contact the administrator."


class SignInExpired(SignInFailed):
    """The state is unknown, was used before, or is too old."""

    code = "sign_in_expired"
    status = 400
    message = "This sign-in has expired or was already used."
    cure = "Start the sign-in again."


class SignInRefused(SignInFailed):
    """The provider reports that the person denied access."""

    code = "sign_in_refused"
    status = 403
    message = "The sign-in was cancelled."
    cure = "Start the sign-in again and allow access."


class SignInInvalid(SignInFailed):
    """A check failed; which one is only in the log."""

    code = "sign_in_invalid"
    message = "The sign-in could not be verified."


class SignInNotAllowed(SignInFailed):
    """No rule admits this person."""

    code = "sign_in_not_allowed"
    status = 403
    message = "This account has no access to this chat."
    cure = "Sign in with another account, or ask the administrator for access."
