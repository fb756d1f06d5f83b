"""Model servers on this machine: a part of the models' tab that finds and adds them."""

from __future__ import annotations

import gradio as gr

from backends.providers import Found, look
from webchat.api import Services
from webchat.console.asking import QUIET, Caller, handler
from webchat.console.labels import Labels
from webchat.console.times import plain

MOST_NAMES = 3


class Servers:
    """The handlers."""

    def __init__(self, services: Services) -> None:
        self._models = services.models

    async def find(self, caller: Caller) -> tuple[gr.Markdown, gr.Dropdown, gr.Button]:
        """What answers on this machine, and a choice of what can be used."""
        found = await look()
        said = [self._line(caller, one) for one in found] or [caller.t("console.servers.none")]
        usable = [(f"{one.title} ({one.url})", one.url) for one in found if not one.needs_key]
        choice = gr.Dropdown(choices=usable, value=usable[0][1] if usable else None, visible=bool(usable))
        return gr.Markdown("\n".join(said), visible=True), choice, gr.Button(visible=bool(usable))

    async def use(self, caller: Caller, url: str | None) -> gr.Markdown:
        """Add a server that answers now: only those are asked, whatever address was sent."""
        found = next((one for one in await look() if one.url == url), None)
        if found is None:
            return gr.Markdown(caller.t("console.servers.gone"), visible=True)
        await self._models.add_endpoint(found.url)
        setting = f'endpoint = "{found.setting}"'
        return gr.Markdown(
            caller.t("console.servers.added", title=found.title, setting=setting), visible=True
        )

    def _line(self, caller: Caller, found: Found) -> str:
        names = ", ".join(plain(name) for name in found.models[:MOST_NAMES])
        if len(found.models) > MOST_NAMES:
            names += ", …"
        if found.needs_key:
            names = caller.t("console.servers.needs_key")
        return f"- **{found.title}** · {found.url} · {names or caller.t('console.servers.empty')}"


def create_servers(services: Services, label: Labels) -> None:
    """The components and what they do; the table above shows what was added at its next refresh."""
    servers = Servers(services)
    with gr.Column(elem_classes=["wc-card"]):
        with gr.Row(elem_classes=["wc-buttons"]):
            find = gr.Button(label("console.servers.find"), min_width=0, elem_id="wc-servers-find")
        said = gr.Markdown(visible=False, elem_id="wc-servers-said")
        choice = gr.Dropdown(
            choices=[], label=label("console.servers.server"), visible=False, elem_id="wc-servers-choice"
        )
        use = gr.Button(label("console.servers.use"), min_width=0, visible=False, elem_id="wc-servers-use")
    find.click(handler("operator", servers.find), None, [said, choice, use], **QUIET)
    use.click(handler("operator", servers.use), choice, said, **QUIET)
