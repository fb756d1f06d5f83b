"""The lease of this process: renewed while it lives, ended by others when it does not.

Whoever renews its own lease in time also ends those of others that are over, and interrupts what they ran.
So the turns of a process that died are interrupted within `LEASE_SECONDS` and a beat. One that was only
paused, or cut off, finds its lease gone when it is back: its turns have ended, and it takes a new lease.
A server that is started again ends at once the lease that its last process left (see `LeaseFile`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from webchat.store import Store, StoreUnavailable
from webchat.store.records import Orphan
from webchat.store.replicas.verbs import LEASE_SECONDS
from webchat.turns.replicas.left import LeaseFile

log = logging.getLogger(__name__)

BEAT_SECONDS = 4.0


class Replica:
    """This process among those that serve its database; where there can be no other, it always leads.

    about: what all of them must have in common. file: where its lease is remembered. lost: called when others
    have ended the lease. interrupted: called with what others left running.
    """

    def __init__(
        self,
        store: Store,
        about: str = "",
        *,
        file: LeaseFile | None = None,
        lost: Callable[[], None],
        interrupted: Callable[[Sequence[Orphan]], None],
    ) -> None:
        self._store = store
        self._about = about
        self._file = file
        self._lost = lost
        self._interrupted = interrupted
        self._until = 0.0
        self._leading = asyncio.Event()
        self._following = asyncio.Event()
        self._beating: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self.outdated = False
        """A newer version has changed the database: this one finishes what runs and begins nothing."""

    @property
    def held(self) -> bool:
        """Whether this process may write."""
        return not self._store.shared or time.monotonic() < self._until

    @property
    def leads(self) -> bool:
        """Whether this is the one that does what one does for all."""
        return self._leading.is_set()

    async def open(self) -> list[Orphan]:
        """Take a lease, and interrupt what nobody runs any more. Raises `StoreError`."""
        store = self._store
        if store.shared:
            left = None if self._file is None else await asyncio.to_thread(self._file.open)
            await self._take()
            await self._renew()
            if left is not None:
                try:
                    await store.call(store.end_lease, left)
                except StoreUnavailable as error:  # PostgreSQL still runs a statement of that process
                    log.warning("the lease of the last process here runs out by itself: %s", error)
            await store.call(store.end_lapsed_leases)
            self._beating = asyncio.create_task(self._beat(), name="lease")
        else:
            self._lead(True)
        orphans = await store.call(store.interrupt_orphans)
        await store.call(store.discard_calls)
        return orphans

    async def aclose(self) -> None:
        """Give the lease back."""
        self._lead(False)
        if self._beating is None:
            return
        tasks = [task for task in (self._beating, self._ending) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._beating = self._ending = None
        self._until = 0.0
        released = False
        with suppress(StoreUnavailable):
            await self._store.call(self._store.release_lease)
            released = True
        if self._file is not None:
            await asyncio.to_thread(self._file.close, forget=released)

    async def lead(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `work`, which ends when it is cancelled, whenever this process leads, until it ends by itself.
        What fails is begun again."""
        while True:
            await self._leading.wait()
            working = asyncio.create_task(work())
            losing = asyncio.create_task(self._following.wait())
            try:
                done, _ = await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                working.cancel()
                losing.cancel()
                await asyncio.gather(working, losing, return_exceptions=True)
            if working in done:
                if (error := working.exception()) is None:
                    return
                log.error("what one server does for all failed; will retry", exc_info=error)
                await asyncio.sleep(BEAT_SECONDS)

    async def _beat(self) -> None:
        told = False
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self._beaten()
                told = False
            except StoreUnavailable as error:
                if not self.held and not told:
                    told = True
                    log.error("this server can't renew its lease, so it accepts nothing: %s", error)
            except Exception:
                log.exception("renewing the lease failed; will retry")

    async def _beaten(self) -> None:
        late = await self._renew()
        if late is None:
            log.warning("other servers took this one for dead: what it was writing was interrupted")
            self._until = 0.0
            self._lead(False)
            self._lost()
            await self._take()
        # Who comes back late gives others the time to renew theirs. And no lease waits for its turn at the
        # store's threads.
        elif not late and (self._ending is None or self._ending.done()):
            self._ending = asyncio.create_task(self._end_others(), name="end lapsed leases")

    async def _end_others(self) -> None:
        store = self._store
        try:
            if await store.call(store.end_lapsed_leases):
                await store.call(store.discard_calls)
            if orphans := await store.call(store.interrupt_orphans):
                log.warning("%d replies of a server that is gone were interrupted", len(orphans))
                self._interrupted(orphans)
        except StoreUnavailable:  # the store's log says it; the next beat will retry
            pass
        except Exception:
            log.exception("ending the leases of other servers failed; will retry")

    async def _take(self) -> None:
        begun = time.monotonic()
        lease = await self._store.call(self._store.take_lease, self._about)
        self._until = begun + LEASE_SECONDS
        if self._file is not None:
            await asyncio.to_thread(self._file.write, lease)

    async def _renew(self) -> bool | None:
        """Whether the lease was over; `None` if it is gone."""
        begun = time.monotonic()
        lease = await self._store.call(self._store.renew_lease)
        if lease is None:
            return None
        self._until = begun + LEASE_SECONDS
        self._lead(lease.leads)
        if lease.newer and not self.outdated:
            self.outdated = True
            log.error("a newer version of webchat has changed the database: this server begins no replies")
        return lease.late

    def _lead(self, leads: bool) -> None:
        now, before = (self._leading, self._following) if leads else (self._following, self._leading)
        now.set()
        before.clear()
