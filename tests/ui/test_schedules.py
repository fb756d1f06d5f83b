"""Every word that was typed and not deleted is in a draft, the outbox or the store, exactly once: after each
step of whatever a person does while lines break, tabs crash, servers die and owners change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from tests.ui.asset_page import asset_page

HERE = Path(__file__).parent / "schedules"

Step = tuple[str, int, int]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with asset_page() as (page, _):
        page.route(
            "**/schedules/*.js",
            lambda route: route.fulfill(
                path=HERE / route.request.url.rpartition("/")[2], content_type="text/javascript"
            ),
        )
        page.evaluate("async () => Object.assign(window, await import('/schedules/person.js'))")
        yield page


OFTEN = {"converse": 8, "type": 6, "send": 6, "edit": 3, "more": 2, "save": 3, "rewrite": 4, "strand": 4} | {
    "takeBack": 5,
    "again": 2,
    "go": 4,
    "wait": 7,
    "mend": 4,
    "start": 3,
}
SELDOM = (
    "erase stop cancel withdraw regenerate version suggest newChat back reload close crash ask duplicate"
    " open visit revive cut dead lost kill refuse owner"
)
VERBS = [*(verb for verb, weight in OFTEN.items() for _ in range(weight)), *SELDOM.split()]

ENDS = {"close", "crash", "reload", "ask", "duplicate", "open", "visit", "revive", "owner"}


def steps_of(verbs: list[str]) -> st.SearchStrategy[list[Step]]:
    """What is done, in or with which tab, and where in it. Long ones; what does not matter becomes a rest."""
    step = st.tuples(st.sampled_from(["rest", *verbs]), st.integers(0, 7), st.integers(0, 3))
    return st.lists(step, min_size=20, max_size=60)


STEPS = steps_of(VERBS)
TIGHT_STEPS = steps_of([verb for verb in VERBS if verb not in ENDS] + ["full", "room"] * 3)
SEEDS = st.integers(1, 2**31)

LOSSES: dict[str, list[tuple[str, int, int]]] = {
    "a suggestion over half a thought": [("type", 0, 0), ("suggest", 0, 0)],
    "an address with words over half a thought": [("type", 0, 0), ("ask", 0, 0)],
    "typed before the owner was named, over a draft": [
        *[("type", 0, 0), ("kill", 0, 0), ("reload", 0, 0), ("dead", 0, 0), ("start", 0, 0), ("type", 0, 0)],
        ("mend", 0, 0),
    ],
    "typed before the owner was named, then loaded again": [
        *[("dead", 0, 0), ("reload", 0, 0), ("type", 0, 0), ("mend", 0, 0), ("reload", 0, 0)]
    ],
    "typed before the owner was named, in a tab that crashed": [
        *[("dead", 0, 0), ("reload", 0, 0), ("type", 0, 0), ("crash", 0, 0), ("mend", 0, 0), ("open", 0, 0)]
    ],
    "a new chat becomes a conversation this tab has a draft in": [
        *[("duplicate", 6, 0), ("lost", 0, 0), ("converse", 0, 0), ("go", 7, 1), ("close", 0, 0)],
        *[("converse", 0, 0), ("ask", 0, 0)],
    ],
    "written where the address leads to nothing": [
        *[("converse", 0, 0), ("owner", 0, 0), ("duplicate", 0, 0), ("type", 4, 0), ("newChat", 4, 0)]
    ],
}
"""What once lost a word."""


def live(page: Page, steps: list[Step], **options: Any) -> None:
    page.evaluate("([steps, options]) => live(steps, options)", [steps, options])


@pytest.mark.parametrize("loss", LOSSES)
def test_what_once_lost_a_word_keeps_it(page: Page, loss: str) -> None:
    live(page, LOSSES[loss])


QUIET: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
MODES = pytest.mark.parametrize("locks", [True, False], ids=["locks", "heartbeat"])


@MODES
@given(steps=STEPS, seed=SEEDS)
@settings(max_examples=40, derandomize=True, **QUIET)
def test_no_word_is_lost_or_doubled(page: Page, locks: bool, steps: list[Step], seed: int) -> None:
    live(page, steps, seed=seed, locks=locks)


@given(steps=TIGHT_STEPS, seed=SEEDS)
@settings(max_examples=40, derandomize=True, **QUIET)
def test_a_full_storage_loses_no_word_of_a_page_that_stays(page: Page, steps: list[Step], seed: int) -> None:
    live(page, steps, seed=seed, tight=True)


@pytest.mark.slow
@MODES
@given(steps=STEPS, seed=SEEDS)
@settings(max_examples=1000, **QUIET)
def test_no_word_is_lost_or_doubled_in_a_thousand_schedules(
    page: Page, locks: bool, steps: list[Step], seed: int
) -> None:
    live(page, steps, seed=seed, locks=locks)
