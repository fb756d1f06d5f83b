"""The tab's components, and what they do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.console.asking import QUIET, Caller, handler, streaming
from webchat.console.health.checks import findings
from webchat.console.health.live import plots, tiles
from webchat.console.labels import Labels
from webchat.console.times import short
from webchat.doctor import Finding
from webchat.store.usage_records import Usage, Used

REFRESH_SECONDS = 5
DAYS = (1, 7, 30)
COLUMNS = ("name", "replies", "prompt_tokens", "completion_tokens")
ERROR_COLUMNS = ("code", "model", "count")
CHECK_SECONDS = 180.0
"""How long one check may take; what follows it is then left out."""

LOOK_SECONDS = 1.0


class HealthTab:
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._checking = asyncio.Lock()

    async def health_now(self, caller: Caller) -> list[Any]:
        """The tiles and the plots."""
        services, monitor = self._services, self._services.monitor
        if monitor is None:
            return [caller.t("console.health.not_counted"), ""]
        points = monitor.sampler.points()
        files = await asyncio.to_thread(monitor.files)
        now = monitor.sampler.sample()
        latest = points[-1] if points else None
        ready, failing = services.turns.accepting, services.models.failing
        return [tiles(caller, now, latest, files, failing, ready=ready), plots(caller, points)]

    async def health_shown(self, caller: Caller, days: object) -> list[Any]:
        """Everything but the checks."""
        return [*await self.health_now(caller), *await self.health_used(caller, days)]

    async def health_used(self, caller: Caller, days: object) -> list[Any]:
        """What was used in so many days, by model, link and person, and what failed."""
        since = datetime.now(UTC) - timedelta(
            days=days if isinstance(days, int) and days in DAYS else DAYS[0]
        )
        used: Usage = await self._services.store.call(self._services.store.usage_since, since)
        key = "console.health.used" if used.whole else "console.health.used_cut"
        said = caller.t(key, count=used.replies)
        if used.first_token:
            half, most = (used.first_token[int(share * (len(used.first_token) - 1))] for share in (0.5, 0.95))
            times = {"half": f"{half:.2f}", "most": f"{most:.2f}", "count": len(used.first_token)}
            said += " " + caller.t("console.health.used_first", **times)
        errors = [[caller.known(f"error.{code}") or code, model, count] for code, model, count in used.errors]
        return [
            said,
            _table(caller, "by_model", used.models),
            _table(caller, "by_link", used.links),
            _table(caller, "by_person", used.people),
            gr.Dataframe(
                errors,
                headers=[caller.t(f"console.health.{name}") for name in ERROR_COLUMNS],
                visible=bool(errors),
            ),
        ]

    def check_quickly(self, caller: Caller) -> AsyncGenerator[str]:
        """What costs neither time nor tokens."""
        return self._check(caller, quick=True)

    def check_all(self, caller: Caller) -> AsyncGenerator[str]:
        """All checks."""
        return self._check(caller, quick=False)

    async def _check(self, caller: Caller, *, quick: bool) -> AsyncGenerator[str]:
        """What is found so far, again and again."""
        if self._services.examine is None:
            yield caller.t("console.health.no_checks")
            return
        found: list[Finding] = []
        # Of its own: Gradio may leave a generator where it is, and nobody else could check then.
        checks = asyncio.create_task(self._examine(found, quick), name="checks")
        try:
            yield findings(caller, found, caller.t("console.health.checking"))
            shown = 0
            while not checks.done():
                await asyncio.wait({checks}, timeout=LOOK_SECONDS)
                if len(found) > shown and not checks.done():
                    shown = len(found)
                    yield findings(caller, found, caller.t("console.health.checking"))
            gave_up = caller.t("console.health.gave_up", seconds=round(CHECK_SECONDS))
            yield findings(caller, found, "" if checks.result() else gave_up)
        finally:
            checks.cancel()

    async def _examine(self, found: list[Finding], quick: bool) -> bool:
        """Whether all checks were made in time."""
        assert self._services.examine is not None
        async with self._checking:  # they measure, and would disturb each other
            checks = self._services.examine(quick)
            while True:
                try:
                    async with asyncio.timeout(CHECK_SECONDS):
                        found.append(await anext(checks))
                except StopAsyncIteration:
                    return True
                except TimeoutError:
                    return False


def create_health(_page: gr.Blocks, tab: gr.Tab, services: Services, label: Labels) -> gr.Timer:
    """The tab's components and what they do."""
    health = HealthTab(services)
    # HTML of our own, in which all names are escaped. `gr.HTML` needs `unsafe-eval`.
    html: Any = {"sanitize_html": False, "latex_delimiters": []}
    now = gr.Markdown(elem_id="wc-health-now", **html)
    drawn = gr.Markdown(elem_id="wc-health-plots", **html)
    gr.Markdown(label("console.health.hour"), elem_classes=["wc-note"])
    timer = gr.Timer(REFRESH_SECONDS, active=False)
    with gr.Column(elem_classes=["wc-card"]):
        gr.Markdown(label("console.health.checks"))
        with gr.Row(elem_classes=["wc-buttons"]):
            quick = gr.Button(label("console.health.check_quickly"), min_width=0, elem_id="wc-health-quick")
            thorough = gr.Button(label("console.health.check_all"), min_width=0, elem_id="wc-health-all")
        gr.Markdown(label("console.health.check_costs"), elem_classes=["wc-note"])
        checked = gr.Markdown(elem_id="wc-health-checks", **html)
    with gr.Column(elem_classes=["wc-card"]):
        gr.Markdown(label("console.health.usage"))
        choices: Any = [(label(f"console.health.days.{count}"), count) for count in DAYS]
        days = gr.Radio(
            choices, value=DAYS[0], label=label("console.health.period"), elem_id="wc-health-days"
        )
        said = gr.Markdown()
        tables = [
            gr.Dataframe(interactive=False, type="array", buttons=[], show_label=False, visible=False)
            for _ in range(4)
        ]

    used: Any = {"inputs": days, "outputs": [said, *tables], **QUIET}
    shown: Any = {"inputs": days, "outputs": [now, drawn, said, *tables], **QUIET}
    tab.select(handler("operator", health.health_shown), **shown)
    timer.tick(handler("operator", health.health_now), None, [now, drawn], **QUIET)
    days.input(handler("operator", health.health_used), **used)
    for button, method in ((quick, health.check_quickly), (thorough, health.check_all)):
        button.click(
            streaming("operator", method), None, checked, show_progress="minimal", api_visibility="private"
        )
    return timer


def _table(caller: Caller, first: str, used: Sequence[Used]) -> gr.Dataframe:
    headers = [caller.t(f"console.health.{name}") for name in (first, *COLUMNS[1:])]
    rows = [[_name(caller, one), one.replies, one.prompt_tokens, one.completion_tokens] for one in used]
    return gr.Dataframe(rows, headers=headers, visible=bool(rows))


def _name(caller: Caller, one: Used) -> str:
    """A name, or what tells those without one apart."""
    if one.name or not one.id:
        return one.name or caller.t("console.health.nobody")
    kind = caller.known(f"console.health.kind.{one.kind}") or ""
    return kind if one.kind == "local" else f"{kind} {short(one.id)}"
