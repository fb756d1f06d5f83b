"""The tab of webhooks: the programs that are notified of what happens, and how their deliveries go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.console.asking import QUIET, Caller, handler, refuse, tell
from webchat.console.confirming import Question, asked, unasked
from webchat.console.labels import Labels
from webchat.console.listing import Listing
from webchat.console.times import moment, plain, short
from webchat.store.errors import NotFound
from webchat.store.webhook_records import EVENTS, ListedWebhook, Webhook
from webchat.webhooks import NotDelivered, new_webhook, problem_text
from webchat.webhooks.making import MOST_URL

COLUMNS = ("url", "events", "told", "waiting", "dead", "state", "id")


@dataclass(frozen=True, slots=True)
class Button:
    """Something that can be done with a webhook. name: of the method and of the label."""

    name: str

    def fits(self, listed: ListedWebhook) -> bool:
        able = listed.webhook.disabled_at is None
        return {
            "test": True,
            "retry": able and listed.dead > 0,
            "disable": able,
            "enable": not able,
            "remove": True,
        }[self.name]


BUTTONS = tuple(map(Button, ("test", "retry", "disable", "enable", "remove")))


class Webhooks:
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._sender = services.sender

    async def offer(self, caller: Caller) -> gr.CheckboxGroup:
        """The choices of events, in the caller's words."""
        return gr.CheckboxGroup(choices=[(caller.t(f"console.webhooks.event.{one}"), one) for one in EVENTS])

    async def show(self, caller: Caller) -> tuple[gr.Dataframe, gr.Dropdown, gr.Column, gr.Markdown]:
        """The table, the choice of a webhook, whether there is any, and a note on there being none."""
        found: Sequence[ListedWebhook] = await self._store.call(self._store.list_webhooks)
        rows = [_row(caller, one) for one in found]
        headers = [caller.t(f"console.webhooks.{name}") for name in COLUMNS]
        return (
            gr.Dataframe(rows, headers=headers, visible=bool(rows)),
            gr.Dropdown(choices=[_named(one.webhook) for one in found]),
            gr.Column(visible=bool(rows)),
            gr.Markdown(caller.t("console.webhooks.none"), visible=not rows),
        )

    async def chosen(self, caller: Caller, row: Sequence[object]) -> gr.Dropdown:
        """The webhook in a row of the table, as the choice."""
        return _choice((await self._found(row[-1] if row else None)).webhook)

    async def about(self, caller: Caller, id: str | None) -> list[Any]:
        """What is said of the webhook, and which buttons there are for it."""
        if not id:
            return [gr.Markdown(visible=False), *(gr.Button(visible=False) for _ in BUTTONS)]
        found = await self._found(id)
        buttons = [gr.Button(visible=button.fits(found)) for button in BUTTONS]
        return [gr.Markdown(_described(caller, found), visible=True), *buttons]

    async def add(self, caller: Caller, url: object, events: object, content: object) -> list[Any]:
        """A new webhook: its secret, shown this once, the webhook as the choice, and an empty address."""
        chosen: Collection[str] = [str(one) for one in events] if isinstance(events, list) else []
        address = url.strip() if isinstance(url, str) else ""
        made: Webhook = await self._store.call(
            new_webhook,
            self._store,
            address,
            chosen,
            content=content is True,
            private=self._sender.private,
        )
        said = caller.t("console.webhooks.secret_once")
        return [gr.Textbox(made.secret, label=said, visible=True), _choice(made), ""]

    async def test(self, caller: Caller, id: str | None) -> None:
        """Send it a signed test, now, also while it is disabled."""
        webhook = (await self._found(id)).webhook
        try:
            await self._sender.test(webhook)
        except NotDelivered as error:
            problem = problem_text(error.problem, caller.language)
            raise refuse(caller, "console.webhooks.not_tested", problem=problem) from None
        tell(caller, "console.webhooks.was_tested", url=webhook.url)

    async def retry(self, caller: Caller, id: str | None) -> None:
        count = await self._store.call(self._store.retry_deliveries, (await self._found(id)).webhook.id)
        tell(caller, "console.webhooks.was_retried", count=count)

    async def disable(self, caller: Caller, id: str | None) -> None:
        await self._set_disabled(caller, id, True)

    async def enable(self, caller: Caller, id: str | None) -> None:
        await self._set_disabled(caller, id, False)

    async def remove(self, caller: Caller, id: str | None) -> list[Any]:
        """What removing the webhook would delete, and the buttons to do it or not."""
        found = await self._found(id)
        counts = {"waiting": found.waiting, "dead": found.dead}
        words = caller.t("console.webhooks.removes", url=plain(found.webhook.url), **counts)
        return asked(found.webhook.id, words)

    async def remove_now(self, caller: Caller, id: str | None, about: str | None) -> list[Any]:
        """Remove the webhook that was asked about; none, if another was chosen since."""
        found = await self._found(about)
        if about != id:
            return [gr.skip(), gr.skip(), *unasked()]
        await self._store.call(self._store.remove_webhook, found.webhook.id)
        tell(caller, "console.webhooks.was_removed", url=found.webhook.url)
        return [gr.Dropdown(value=None), gr.Textbox("", visible=False), *unasked()]

    async def _set_disabled(self, caller: Caller, id: str | None, disabled: bool) -> None:
        found = await self._found(id)
        await self._store.call(self._store.set_webhook_disabled, found.webhook.id, disabled)
        said = "was_disabled" if disabled else "was_enabled"
        tell(caller, f"console.webhooks.{said}", url=found.webhook.url)

    async def _found(self, id: object) -> ListedWebhook:
        """Raises NotFound."""
        for one in await self._store.call(self._store.list_webhooks):
            if one.webhook.id == id:
                found: ListedWebhook = one
                return found
        raise NotFound("webhook")


def _named(webhook: Webhook) -> tuple[str, str]:
    return f"{webhook.url} · {short(webhook.id)}", webhook.id


def _choice(webhook: Webhook) -> gr.Dropdown:
    """One webhook alone, since Gradio takes no value that it has not seen among the choices."""
    return gr.Dropdown(choices=[_named(webhook)], value=webhook.id)


def _row(caller: Caller, listed: ListedWebhook) -> list[str]:
    webhook = listed.webhook
    return [
        webhook.url,
        _events(caller, webhook),
        caller.t("console.never") if webhook.told_at is None else moment(caller, webhook.told_at),
        str(listed.waiting),
        str(listed.dead),
        caller.t(f"console.webhooks.{_state(webhook)}"),
        webhook.id,
    ]


def _state(webhook: Webhook) -> str:
    if webhook.disabled_at is not None:
        return "is_disabled"
    return "is_failing" if webhook.problem else "is_fine"


def _events(caller: Caller, webhook: Webhook) -> str:
    return ", ".join(caller.t(f"console.webhooks.event.{one}") for one in webhook.events)


def _described(caller: Caller, listed: ListedWebhook) -> str:
    webhook = listed.webhook
    parts = [
        _events(caller, webhook),
        *([caller.t("console.webhooks.with_texts")] if webhook.content else []),
        caller.t("console.webhooks.created", when=moment(caller, webhook.created_at)),
    ]
    lines = [f"**{plain(webhook.url)}** · " + " · ".join(map(plain, parts))]
    if webhook.problem:
        problem = problem_text(webhook.problem, caller.language)
        lines.append(plain(caller.t("console.webhooks.problem", problem=problem)))
    if listed.full:
        lines.append(caller.t("console.webhooks.full"))
    return "\n\n".join(lines)


def create_webhooks(page: gr.Blocks, tab: gr.Tab, services: Services, label: Labels) -> None:
    """The tab's components and what they do."""
    webhooks = Webhooks(services)
    with gr.Row(elem_classes=["wc-bar"]):
        refresh = gr.Button(label("console.refresh"), scale=0, min_width=110, elem_id="wc-webhooks-refresh")
    listing = Listing(label, "webhooks", "webhook", [one.name for one in BUTTONS])
    webhook = listing.choice
    removal = Question(label, "webhooks", "console.webhooks.remove_now", webhook)
    secret = gr.Textbox(visible=False, interactive=False, buttons=["copy"], elem_id="wc-webhooks-secret")
    with gr.Accordion(label("console.webhooks.new"), open=False, elem_id="wc-webhooks-form"):
        url = gr.Textbox(
            label=label("console.webhooks.url"),
            info=label("console.webhooks.url_hint"),
            max_length=MOST_URL,
            elem_id="wc-webhook-url",
        )
        events = gr.CheckboxGroup(
            choices=[], label=label("console.webhooks.events"), info=label("console.webhooks.events_hint")
        )
        content = gr.Checkbox(label=label("console.webhooks.content"))
        with gr.Row(elem_classes=["wc-buttons"]):
            add = gr.Button(
                label("console.webhooks.make"), variant="primary", min_width=0, elem_id="wc-webhooks-add"
            )

    page.load(handler("operator", webhooks.offer), None, events, **QUIET)
    listing.tell(listing.bind(webhooks, [tab.select, refresh.click]).success)
    for one, button in listing.buttons.items():
        run = handler("operator", getattr(webhooks, one))
        if one == "remove":
            button.click(run, webhook, removal.parts, **QUIET)
        else:
            listing.renew(button.click(run, webhook, None, **QUIET))
    removed = removal.yes.click(
        handler("operator", webhooks.remove_now),
        [webhook, removal.about],
        [webhook, secret, *removal.parts],
        **QUIET,
    )
    listing.renew(removed)
    added = add.click(
        handler("operator", webhooks.add), [url, events, content], [secret, webhook, url], **QUIET
    )
    listing.renew(added)
