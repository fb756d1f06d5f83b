"""The tab of testers' conversations: what people who came by a link wrote, where they agreed to it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from html import escape
from typing import Any, TypeGuard

import gradio as gr

from webchat.api import Services
from webchat.api.media import TESTERS_MEDIA
from webchat.console.asking import QUIET, Caller, handler, selecting, tell
from webchat.console.chats import create_chat
from webchat.console.labels import Labels
from webchat.console.paging import FIRST, Pager, Place, create_table, shown
from webchat.console.times import moment, plain
from webchat.store.errors import NotFound
from webchat.store.link_records import LinkAnswer
from webchat.store.records import Found, Message
from webchat.store.tester_records import Look, ReadChat, TesterChat

MOST_LINKS = 100
MOST_SHOWN = 40
MOST_MESSAGES = 60
MOST_LOOKS = 50
LOOK_SECONDS = 3
_MOST_DRAWN = 200
_MOST_SEARCHED = 200
_MOST_NOTE = 10_000
_MOST_TAGS = 1000

COLUMNS = ("title", "tester", "changed", "tags", "id")
ANSWER_COLUMNS = ("tester", "question", "answer", "answered")
LOG_COLUMNS = ("when", "who", "what", "link", "chat", "searched")


class Testers:
    """The handlers. Each returns new values of components, in the order of `outputs` where it is bound."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._drawn = _Drawn(services)

    async def links(self, caller: Caller, chosen: object, wanted: object) -> list[Any]:
        """The choice of a link: those whose testers agreed to be read, the newest first. And the box that
        finds others by name, where there are more than the choice holds."""
        name = _line(wanted, _MOST_SEARCHED)
        page = await self._store.call(self._store.listed_links, text=name, limit=MOST_LINKS)
        choices = [(listed.link.name, listed.link.id) for listed in page.items if listed.link.terms.consent]
        ids = [id for _, id in choices]
        value = chosen if chosen in ids else next(iter(ids), None)
        return [gr.Dropdown(choices=choices, value=value), gr.Textbox(visible=bool(name or page.next))]

    async def show(
        self, caller: Caller, link: object, text: object, tag: object, place: Place = FIRST
    ) -> tuple[Any, ...]:
        """The table, what to know about it, and its pager."""
        if not _is_id(link):
            note = gr.Markdown(caller.t("console.testers.no_links"), visible=True)
            return gr.Dataframe(visible=False), note, *shown(FIRST, None)
        wanted, tag = _line(text, _MOST_SEARCHED), _line(tag, _MOST_SEARCHED)
        said = ""
        if wanted:
            found: Found = await self._store.call(
                self._store.search_tester_chats,
                caller.owner.id,
                link,
                wanted,
                cursor=place.cursor,
                limit=MOST_SHOWN,
            )
            rows = [[hit.snippet, "", moment(caller, hit.at), "", hit.conversation_id] for hit in found.items]
            said = "" if found.whole else caller.t("console.testers.not_all")
            next = found.next
        else:
            page = await self._store.call(
                self._store.list_tester_chats,
                caller.owner.id,
                link,
                tag=tag or None,
                cursor=place.cursor,
                limit=MOST_SHOWN,
            )
            rows = [self._row(caller, chat) for chat in page.items]
            next = page.next
        if not rows and next is None:
            said = caller.t("console.testers.none_found" if wanted or tag else "console.testers.none")
        headers = [caller.t(f"console.testers.{name}") for name in COLUMNS]
        table = gr.Dataframe(rows, headers=headers, visible=bool(rows))
        return table, gr.Markdown(said, visible=bool(said)), *shown(place, next)

    async def first(self, caller: Caller, link: object, text: object, tag: object) -> tuple[Any, ...]:
        return await self.show(caller, link, text, tag)

    async def older_chats(
        self, caller: Caller, link: object, text: object, tag: object, place: Place
    ) -> tuple[Any, ...]:
        return await self.show(caller, link, text, tag, place.older())

    async def newer_chats(
        self, caller: Caller, link: object, text: object, tag: object, place: Place
    ) -> tuple[Any, ...]:
        return await self.show(caller, link, text, tag, place.newer())

    async def chosen(self, caller: Caller, row: Sequence[object]) -> str:
        """The id in a row of the table."""
        id = row[-1] if row else None
        if not _is_id(id):
            raise NotFound("conversation")
        return id

    async def wanted_chat(self, caller: Caller) -> Any:
        """The chat that the page's address names: `operator/?tab=testers&chat=ID`."""
        id = caller.request.query_params.get("chat", "")
        return id if 0 < len(id) <= 64 else gr.skip()

    async def read(self, caller: Caller, id: object) -> list[Any]:
        """The conversation that was chosen."""
        if not _is_id(id):
            return [gr.Column(visible=False), "", gr.Chatbot([]), "", ""]
        read = await self._read(caller, id)
        chat = read.chat
        about = caller.t(
            "console.testers.about", tester=plain(chat.tester), created=moment(caller, chat.created_at)
        )
        return [
            gr.Column(visible=True),
            about,
            gr.Chatbot(await self._messages(caller, read)),
            chat.note,
            ", ".join(chat.tags),
        ]

    async def follow(self, caller: Caller, id: object) -> Any:
        """The messages again, while somebody looks at them."""
        if not _is_id(id):
            return gr.skip()
        return gr.Chatbot(await self._messages(caller, await self._read(caller, id)))

    async def save(self, caller: Caller, id: object, note: object, tags: object) -> tuple[str, str]:
        """Keep the note and the tags."""
        if not _is_id(id):
            raise NotFound("conversation")
        said = _line(tags, _MOST_TAGS).replace("，", ",").split(",")
        chat = await self._store.call(
            self._store.note_tester_chat, caller.owner.id, id, note=_line(note, _MOST_NOTE), tags=said
        )
        tell(caller, "console.testers.saved")
        return chat.note, ", ".join(chat.tags)

    async def answers(self, caller: Caller, link: object) -> tuple[gr.Dataframe, gr.Markdown]:
        """What the link's testers answered to its questions, and a note where there is nothing."""
        answers: Sequence[LinkAnswer] = ()
        if _is_id(link):
            await self._store.call(self._store.log_look, caller.owner.id, "answers", link)
            answers = (await self._store.call(self._store.link_answers, link)).items
        headers = [caller.t(f"console.testers.{name}") for name in ANSWER_COLUMNS]
        rows = [
            [answer.owner_id[-4:], answer.question.text, str(answer.value), moment(caller, answer.at)]
            for answer in answers
        ]
        none = gr.Markdown(caller.t("console.testers.no_answers"), visible=not rows)
        return gr.Dataframe(rows, headers=headers, visible=bool(rows)), none

    async def log(self, caller: Caller) -> tuple[Any, str | None, Any]:
        """Who looked, the newest first."""
        return await self.older(caller, None)

    async def older(self, caller: Caller, cursor: object) -> tuple[gr.Dataframe, str | None, gr.Button]:
        """A page of the log, the place of the next, and the button for it."""
        after = cursor if _is_id(cursor) else None
        looks = await self._store.call(self._store.looks, cursor=after, limit=MOST_LOOKS)
        names = await self._store.call(self._store.link_names, list({look.link_id for look in looks.items}))
        headers = [caller.t(f"console.testers.log.{name}") for name in LOG_COLUMNS]
        rows = [self._look(caller, look, names) for look in looks.items]
        return gr.Dataframe(rows, headers=headers), looks.next, gr.Button(visible=looks.next is not None)

    async def _read(self, caller: Caller, id: str) -> ReadChat:
        read: ReadChat = await self._store.call(
            self._store.read_tester_chat, caller.owner.id, id, limit=MOST_MESSAGES
        )
        return read

    def _row(self, caller: Caller, chat: TesterChat) -> list[str]:
        changed = caller.t("console.testers.live") if chat.running else moment(caller, chat.updated_at)
        title = chat.title or caller.t("app.untitled")
        return [title, chat.tester, changed, ", ".join(chat.tags), chat.id]

    async def _messages(self, caller: Caller, read: ReadChat) -> list[Any]:
        """As the tester saw them: their own words as text, replies as Markdown."""
        messages = list[Any]()
        if read.messages.next is not None:
            said = caller.t("console.testers.only_newest", count=MOST_MESSAGES)
            messages.append({"role": "assistant", "content": _as_text(said)})
        for message in read.messages.items:
            person = message.role == "user"
            if message.reasoning:
                thought = {"title": caller.t("console.testers.reasoning")}
                content = await self._drawn.markdown(caller, message, message.reasoning)
                messages.append({"role": message.role, "content": content, "metadata": thought})
            text = message.text
            content = _as_text(text) if person else await self._drawn.markdown(caller, message, text)
            messages.append({"role": message.role, "content": content + self._ended(caller, message)})
        return messages

    def _ended(self, caller: Caller, message: Message) -> str:
        """How a reply ended, and how it was rated."""
        rated = {1: "👍", -1: "👎"}.get(message.rating, "")
        ended = message.state not in ("complete", "stopped") and message.role == "assistant"
        state = f"[{caller.t(f'console.testers.state.{message.state}')}]" if ended else ""
        said = " ".join(filter(None, (state, rated)))
        return f'<p class="wc-console-state">{escape(said)}</p>' if said else ""

    def _look(self, caller: Caller, look: Look, names: dict[str, str]) -> list[str]:
        return [
            f"{look.at:%Y-%m-%d %H:%M:%S}",
            look.operator or caller.t("console.role.operator"),
            caller.t(f"console.testers.log.{look.action}"),
            names.get(look.link_id, look.link_id),
            (look.conversation_id or "")[-12:],
            look.searched or "",
        ]


def create_testers(page: gr.Blocks, tab: gr.Tab, services: Services, label: Labels) -> gr.Timer:
    """The tab's components and what they do."""
    testers = Testers(services)
    with gr.Row(elem_classes=["wc-bar"]):
        find = gr.Textbox(
            label=label("console.testers.find"),
            max_length=_MOST_SEARCHED,
            visible=False,
            elem_id="wc-testers-find",
        )
        link = gr.Dropdown(choices=[], label=label("console.testers.link"), elem_id="wc-testers-link")
        search = gr.Textbox(
            label=label("console.testers.search"), max_length=_MOST_SEARCHED, elem_id="wc-testers-search"
        )
        tag = gr.Textbox(
            label=label("console.testers.tag"), max_length=_MOST_SEARCHED, elem_id="wc-testers-tag"
        )
        refresh = gr.Button(label("console.refresh"), scale=0, min_width=110, elem_id="wc-testers-refresh")
    note = gr.Markdown(visible=False)
    table = create_table("wc-testers-table")
    pager = Pager(label, "testers")
    chosen = gr.State(None)
    with gr.Column(elem_classes=["wc-card"], visible=False, elem_id="wc-testers-chat") as chat:
        about = gr.Markdown()
        messages = create_chat(height=520, elem_id="wc-testers-messages")
        with gr.Row(elem_classes=["wc-bar"]):
            words = gr.Textbox(
                label=label("console.testers.note"), lines=2, max_length=_MOST_NOTE, elem_id="wc-testers-note"
            )
            tags = gr.Textbox(
                label=label("console.testers.write_tags"), max_length=_MOST_TAGS, elem_id="wc-testers-tags"
            )
        save = gr.Button(label("console.testers.save"), variant="primary", elem_id="wc-testers-save")
    with gr.Accordion(label("console.testers.answers"), open=False, elem_id="wc-testers-answers") as asked:
        no_answers = gr.Markdown(visible=False)
        answers = gr.Dataframe(interactive=False, type="array", wrap=True, buttons=[], show_label=False)
    _create_log(testers, label)
    timer = gr.Timer(LOOK_SECONDS, active=False)

    listed: Any = {"outputs": [table, note, *pager.parts], **QUIET}
    wanted: list[Any] = [link, search, tag]
    again: Any = {"inputs": [*wanted, pager.place], **listed}
    first, links = handler("operator", testers.first), handler("operator", testers.links)
    chosen_link: Any = {"inputs": [link, find], "outputs": [link, find], **QUIET}
    gr.on([tab.select, refresh.click, find.submit], links, **chosen_link).success(first, wanted, **listed)
    gr.on([link.input, search.submit, tag.submit], first, wanted, **listed)
    pager.older.click(handler("operator", testers.older_chats), **again)
    pager.newer.click(handler("operator", testers.newer_chats), **again)
    table.select(selecting("operator", testers.chosen), None, chosen, **QUIET)
    read = handler("operator", testers.read)
    page.load(handler("operator", testers.wanted_chat), None, chosen, **QUIET)
    chosen.change(read, chosen, [chat, about, messages, words, tags], **QUIET)
    timer.tick(handler("operator", testers.follow), chosen, messages, **QUIET)
    saved = save.click(handler("operator", testers.save), [chosen, words, tags], [words, tags], **QUIET)
    saved.success(handler("operator", testers.show), **again)
    given = {"inputs": [link], "outputs": [answers, no_answers], **QUIET}
    gr.on([asked.expand, link.input], handler("operator", testers.answers), **given)
    return timer


def _create_log(testers: Testers, label: Labels) -> None:
    """Who looked."""
    with gr.Accordion(label("console.testers.log"), open=False, elem_id="wc-testers-log") as log:
        gr.Markdown(label("console.testers.log.about"))
        looks = gr.Dataframe(interactive=False, type="array", wrap=True, buttons=[], show_label=False)
        older = gr.Button(label("console.testers.older"), visible=False)
    place = gr.State(None)
    log.expand(handler("operator", testers.log), None, [looks, place, older], **QUIET)
    older.click(handler("operator", testers.older), place, [looks, place, older], **QUIET)


def _as_text(text: str) -> str:
    """Text that is shown as it is. Gradio 6.31 puts the text of a chat into the page as HTML, with
    `render_markdown=False` too, and cleans it only once handlers run and pictures are asked for; nothing but
    the page's policy would stop those."""
    return f'<div class="wc-words" dir="auto">{escape(text, quote=False)}</div>'


class _Drawn:
    """Replies as HTML, by the renderer of shares, which lets no handler and no address elsewhere through. The
    last ones are kept: an open page asks every few seconds."""

    def __init__(self, services: Services) -> None:
        self._rendering = services.shares.rendering
        self._kept: OrderedDict[tuple[str, str, str], str] = OrderedDict()

    async def markdown(self, caller: Caller, message: Message, text: str) -> str:
        key = (message.id, caller.language, text)
        if key not in self._kept:
            media = f"..{TESTERS_MEDIA.format(id=message.conversation_id, name='')}"
            html = await self._rendering.text(text, caller.language, f"{message.id}-", media)
            self._kept[key] = f'<div class="wc-md" dir="auto">{html}</div>'
            if len(self._kept) > _MOST_DRAWN:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= 64


def _line(text: object, most: int) -> str:
    return text[:most].strip() if isinstance(text, str) else ""
