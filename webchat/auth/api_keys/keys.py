"""Keys at the door: whom one admits, what it opens, and how often it may be used.

Wrong keys are delayed like wrong passwords. A key that was right lately is not: somebody else's mistakes in
the same network hold nobody's programs up.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from math import ceil

from backends._plurals import counted
from webchat.auth.answers import error_answer
from webchat.auth.api_keys.limits import Uses
from webchat.auth.api_keys.tokens import public_part
from webchat.auth.delays import Delays
from webchat.auth.incoming import Refused
from webchat.auth.owners import Admission, Owners
from webchat.recent import Recent
from webchat.sharing.links import hash_of
from webchat.store.key_records import ApiKey, KeyScope

FAILURES_PER_MINUTE = 60
"""From one network, over all keys."""


class Keys:
    """Admits whoever sends a key. Lives on one event loop."""

    def __init__(self, owners: Owners, *, delays: Delays | None = None) -> None:
        self._owners = owners
        self._delays = delays or Delays()
        self._failures = Recent(FAILURES_PER_MINUTE, 60)
        self._right = Recent(1, 3600)
        """Hashes of keys that were right, with the network they came from."""
        self._uses = Uses()

    async def admission(self, token: str, network: str | None) -> Admission:
        """Whose key it is, or why it admits nobody. network: it comes from, `None` if it is exempt from
        limits by address. Raises `Refused` after too many wrong ones."""
        prefix, source = public_part(token), network or ""
        if prefix is None:
            self._check(None, source, network)
            self._failed(None, source, network)
            return Admission(refusal="key_unknown")
        seen = f"{hash_of(token)} {source}"
        if not self._right.full(seen):
            self._check(prefix, source, network)
        admission = await self._owners.admitted_by_key(token, prefix)
        if admission.owner is not None:
            self._right.add(seen)
            self._delays.succeeded(prefix, source)
        elif admission.refusal == "key_unknown":
            self._failed(prefix, source, network)
        return admission

    def using(self, admission: Admission, scope: KeyScope | None) -> AbstractContextManager[None]:
        """A request of somebody admitted by a key, if they were: raises `Refused` if the key does not open
        what needs this scope, or, from the block, at a limit of it. scope: `None` for what no key opens."""
        key = admission.key
        if key is None:
            return nullcontext()
        _check_scope(key, scope)
        return self._uses.request(key)

    def _check(self, prefix: str | None, source: str, network: str | None) -> None:
        seconds = 0.0 if prefix is None else self._delays.seconds(prefix, source)
        if not seconds and network is not None and self._failures.full(network):
            seconds = 60.0
        if seconds:
            raise _delayed(seconds)

    def _failed(self, prefix: str | None, source: str, network: str | None) -> None:
        if prefix is not None:
            self._delays.failed(prefix, source)
        if network is not None:
            self._failures.add(network)


def _check_scope(key: ApiKey, scope: KeyScope | None) -> None:
    if scope is None:
        raise Refused(
            error_answer(
                403, "key_not_open", "API keys don't open this address.", "Sign in to the page to use it."
            )
        )
    if scope not in key.terms.scopes:
        raise Refused(
            error_answer(
                403,
                "key_scope",
                f'This API key lacks the scope "{scope}".',
                "Use a key that has it, or create one.",
                {"scope": scope},
            )
        )


def _delayed(seconds: float) -> Refused:
    after = ceil(seconds)
    return Refused(
        error_answer(
            429,
            "key_delayed",
            "Too many requests with wrong API keys came from your network.",
            f"Try again in {counted(after, 'second')}.",
            {"retry_after": after},
        )
    )
