"""Does the open runs of a set in this process, or follows the server that does; and cancels them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from backends._plurals import counted
from webchat.commands.terminal import CommandError, known_errors, opened, printable
from webchat.settings import Settings

if TYPE_CHECKING:
    from webchat.engine import Engine
    from webchat.store import Store
    from webchat.store.replay_records import ReplayRun, ReplaySet


_LOOK_SECONDS = 1.0


def do_runs(settings: Settings, operator: str, chosen: ReplaySet) -> None:
    """Do the open runs of a set here, or follow the server that does."""
    from webchat.engine import build_engine
    from webchat.launching import prepare
    from webchat.store import DatabaseBusy
    from webchat.turns import NotAccepting

    prepare(settings)
    with known_errors():
        try:
            engine = build_engine(settings, alone=True)
        except DatabaseBusy:
            engine = None
    try:
        if engine is None:
            print("The server that runs on this database does the replay.", file=sys.stderr)
            _follow(settings, operator, chosen)
        else:
            with known_errors():
                asyncio.run(_alone(engine, operator, chosen))
    except (KeyboardInterrupt, NotAccepting):
        goes_on = f"it goes on; webchat replay --set {chosen.name} --cancel ends it"
        stopped = "the same command goes on from there"
        raise CommandError(f"Stopped: {stopped if engine else goes_on}.") from None


def cancel_runs(store: Store, operator: str, chosen: ReplaySet) -> None:
    runs = [run for run in store.replay_runs(operator, chosen.id) if run.state == "open"]
    for run in (*runs, *chain(*store.replay_judging(operator, chosen.id))):
        store.cancel_replay(operator, run.id)
    print(f"{counted(len(runs), 'run')} cancelled. Replies being written are finished.")


async def _alone(engine: Engine, operator: str, chosen: ReplaySet) -> None:
    from webchat.feedback.replay import Replayer

    async with engine.running():
        telling = asyncio.create_task(_told(engine.store, operator, chosen))
        try:
            replayer = Replayer(engine.store, engine.turns)
            for run in await engine.store.call(engine.store.open_replays):
                if run.set_id == chosen.id:
                    await replayer.do(run)
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling


async def _told(store: Store, operator: str, chosen: ReplaySet) -> None:
    shown = ""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        shown = _progress(await store.call(_all_runs, store, operator, chosen), shown)


def _follow(settings: Settings, operator: str, chosen: ReplaySet) -> None:
    shown = ""
    with opened(settings) as store:
        while True:
            runs = _all_runs(store, operator, chosen)
            if all(run.state != "open" for run in runs):
                return
            shown = _progress(runs, shown)
            time.sleep(_LOOK_SECONDS)


def _all_runs(store: Store, operator: str, chosen: ReplaySet) -> list[ReplayRun]:
    """Those of the set, and its judges', with names to show."""
    from webchat.store.replay_records import STORED

    runs = store.replay_runs(operator, chosen.id)
    names = {STORED: "as stored", **{run.id: run.name for run in runs}}
    judging = zip(chosen.judges, store.replay_judging(operator, chosen.id), strict=False)
    return [
        *runs,
        *(
            replace(one, name=f"{judge.name} on {names.get(one.judges or '', '')}")
            for judge, theirs in judging
            for one in theirs
        ),
    ]


def _progress(runs: Sequence[ReplayRun], shown: str) -> str:
    """Print how far the open runs are, if that has changed."""
    told = "; ".join(
        f"{printable(run.name)} {run.done} of {run.items}{f', {run.failed} failed' if run.failed else ''}"
        for run in runs
        if run.state == "open"
    )
    if told and told != shown:
        print(told, file=sys.stderr, flush=True)
    return told
