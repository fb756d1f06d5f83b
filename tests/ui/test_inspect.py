"""What shows a prompt adds nothing to it and loses nothing of it: marks are drawn, never written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from tests.ui.asset_page import asset_page

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# A page's strings hold no lone surrogates, and the browser's own line ends are "\n".
TEXTS = st.text(
    st.one_of(
        st.sampled_from(" \n\t\u00a0\u200b\ufeff\u202e{}%#<>&中🎉"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\r"),
    ),
    max_size=60,
)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with asset_page() as (page, _):
        page.evaluate(
            """async () => {
              Object.assign(window, await import("./inspect/text.js"), await import("./inspect/tokens.js"),
                await import("./inspect/prompt.js"),
                await import("./conversation/context.js"));
            }"""
        )
        yield page


@FEW
@given(text=TEXTS, every=st.booleans())
def test_text_with_its_marks_is_the_text(page: Page, text: str, every: bool) -> None:
    shown = page.evaluate(
        """([text, every]) => {
          const box = document.createElement("pre");
          box.append(...visible(text, { every }));
          return box.textContent;
        }""",
        [text, every],
    )
    assert shown == text


@FEW
@given(pieces=st.lists(st.one_of(st.just(""), TEXTS), min_size=1, max_size=40), data=st.data())
def test_tokens_joined_are_the_prompt_and_every_one_is_counted(
    page: Page, pieces: list[str], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(pieces)), max_size=5)) | {len(pieces)})
    roles = data.draw(st.lists(st.sampled_from(["system", "user", "assistant", "template"]), min_size=6))
    starts = [0, *cuts[:-1]]
    parts = [
        {"role": roles[index % len(roles)], "message": None, "start": start, "end": end}
        for index, (start, end) in enumerate(zip(starts, cuts, strict=True))
    ]
    sent = {"tokens": {"ids": list(range(len(pieces))), "pieces": pieces}, "parts": parts}
    shown: dict[str, Any] = page.evaluate(
        """(sent) => {
          const panel = document.createElement("div");
          document.body.append(panel);
          panel.append(tokensView(sent.tokens, sent.parts, panel));
          const text = panel.querySelector(".wc-tokens").textContent;
          const bars = [...panel.querySelectorAll(".wc-token-bar span")];
          const counts = bars.map((bar) => Number(bar.style.flexGrow));
          // Going to the last token draws its chunk, and so few are in one.
          panel.querySelector(".wc-tokens").dispatchEvent(new KeyboardEvent("keydown", { key: "End" }));
          const drawn = panel.querySelector(".wc-tokens").textContent;
          const spans = panel.querySelectorAll(".wc-token-chunk > span").length;
          panel.remove();
          return { text, drawn, counts, spans };
        }""",
        sent,
    )
    assert shown["text"] == shown["drawn"] == "".join(pieces)
    assert shown["spans"] == sum(shown["counts"]) == len(pieces)


def test_the_newest_reply_that_tells_says_what_the_window_holds(page: Page) -> None:
    def read(messages: list[dict[str, Any]], older: str | None = None) -> Any:
        return page.evaluate("thread => reading(thread)", {"messages": messages, "older": older})

    def reply(**told: Any) -> dict[str, Any]:
        return {"id": "r", "role": "assistant", "prompt_tokens": 90, "completion_tokens": 10, **told}

    asked = {"id": "u", "role": "user"}
    assert read([]) is None
    assert read([asked, {"id": "x", "role": "assistant", "prompt_tokens": None}]) is None
    whole = {"used": 100, "firstSent": None, "leftOut": 0}
    assert read([asked, reply(first_sent="u"), asked, reply()]) == whole
    assert read([asked, reply(), {"id": "running", "role": "assistant"}]) == whole
    cut = [{"id": "a", "role": "user"}, {"id": "b", "role": "assistant"}, asked, reply(first_sent="u")]
    assert read(cut) == {"used": 100, "firstSent": "u", "leftOut": 2}
    assert read(cut, older="a cursor")["leftOut"] is None
    assert read([asked, reply(first_sent="on an older page")])["leftOut"] is None


def test_tool_calls_and_their_results_are_folded_word_for_word(page: Page) -> None:
    hostile = "<img src=x>"
    call = {"id": "a", "name": hostile, "arguments": f'{{"at": "{hostile}"}}'}
    base = {
        "id": "m",
        "siblings": ["m"],
        "state": "complete",
        "text": "",
        "reasoning": "",
        "seq": 1,
        "rating": 0,
    }
    records = [
        {**base, "role": "assistant", "tool_calls": [call]},
        {**base, "role": "tool", "text": hostile, "tool_call_id": "a"},
        {**base, "role": "assistant", "state": "interrupted", "text": "So", "cut_calls": 1},
    ]
    drawn = page.evaluate(
        """async (records) => {
          const { MessageView } = await import("./message.js");
          return records.map((record) => {
            const { element } = new MessageView({ siblings: [], ...record }, t);
            const texts = (what) => [...element.querySelectorAll(what)].map((one) => one.textContent);
            const open = element.querySelectorAll("details[open], img").length;
            return [texts("summary"), texts("pre"), texts(".wc-note-text").join(" "), open];
          });
        }""",
        records,
    )
    assert drawn[0] == [[f"transcript.tool_call {hostile}"], [call["arguments"]], "", 0]
    assert drawn[1] == [["transcript.tool_result"], [hostile], "", 0]
    assert drawn[2] == [[], [], "transcript.interruptedtranscript.cut_call 1", 0]
    sent = {"role": "assistant", "content": None, "message_id": None}
    posted = {"id": "a", "type": "function", "function": {"name": "look", "arguments": hostile}}
    prompt = page.evaluate(
        """(messages) => {
          const view = promptView({ messages });
          return [...view.querySelectorAll("summary, pre")].map((one) => one.textContent);
        }""",
        [{**sent, "tool_calls": [posted]}],
    )
    assert prompt[1:] == [hostile]
