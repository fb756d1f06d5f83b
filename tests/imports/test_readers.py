"""What each product's file becomes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.imports import samples
from tests.imports.into import Into
from tests.imports.samples import lines, written, zipped
from webchat.imports import PRODUCTS, SENTENCES, Unreadable, conversations_of
from webchat.imports.recognising import Located
from webchat.store.records import Message

Line = tuple[str, str]


def told(messages: list[Message]) -> list[Line]:
    return [(message.role, message.text) for message in messages]


def test_claude(into: Into) -> None:
    into.bring(
        zipped(into.folder / "x.zip", {"conversations.json": [samples.claude()], "users.json": [{"a": 1}]})
    )
    asked, reply = into.shown()
    assert asked.text == "When is high tide?\n\n**table.txt**\n\n```\n06:00 high\n```\n\n📎 bay.jpg"
    assert reply.text == "At six.\n\n**Plan**\n\nGo early."
    assert reply.reasoning == "Read the table.\n\n**search**\n\n```\nquery: tide\n```\n\n```\n06:00\n```"
    assert into.one().conversation.title == "Tides"


def test_open_webui(into: Into) -> None:
    into.bring(written(into.folder / "x.json", [samples.openwebui()]))
    whole = into.one()
    assert (whole.conversation.pinned, whole.conversation.settings.system_prompt) == (True, "Be brief.")
    asked, shown = into.shown()
    assert (asked.text, shown.text, shown.model) == ("Which?", "The blue one.", "llama")
    assert shown.reasoning == "Hm.\n\n**look**\n\n```json\n{}\n```\n\n```\nblue\n```"
    other = next(one for one in whole.messages if one.model == "qwen")
    assert (other.text, other.reasoning, other.reasoning_seconds, other.rating) == (
        "The red one.",
        "Think.",
        4,
        1,
    )


@pytest.mark.parametrize("recursive", [False, True])
def test_librechat(into: Into, recursive: bool) -> None:
    into.bring(written(into.folder / "x.json", samples.librechat(recursive=recursive)))
    asked, shown = into.shown()
    assert (asked.text, asked.created_at.hour) == ("Which rope?", 8)
    assert (shown.text, shown.reasoning, shown.rating, shown.model) == ("The new one.", "Strong.", 1, "gpt")
    assert len(shown.siblings) == 2


def test_chat_ui(into: Into) -> None:
    into.bring(zipped(into.folder / "x.zip", {"conversations.json": [samples.chatui()]}))
    whole = into.one()
    assert whole.conversation.settings.system_prompt == "Be kind."
    assert told(list(whole.messages)) == [
        ("user", "A knot?"),
        ("assistant", "Bowline."),
        ("assistant", "Reef."),
    ]
    assert [message.rating for message in whole.messages] == [0, -1, 0]


def test_text_generation_webui(into: Into) -> None:
    into.bring(written(into.folder / "x.json", samples.textgen()))
    assert told(into.shown()) == [
        ("assistant", "Hello there."),
        ("user", "Is it <deep>?"),
        ("assistant", "Very."),
    ]
    assert into.shown()[-1].reasoning == "Measure."
    assert len(into.shown()[-1].siblings) == 2


def test_sillytavern(into: Into) -> None:
    into.bring(lines(into.folder / "x.jsonl", samples.sillytavern()))
    shown = into.shown()
    assert told(shown) == [("assistant", "Ahoy!"), ("user", "Where to?"), ("assistant", "South.")]
    assert (shown[-1].model, shown[-1].reasoning, len(shown[-1].siblings)) == ("pirate-7b", "Warm.", 2)
    assert into.one().conversation.title == "Captain"
    assert shown[1].created_at.isoformat() == "2026-01-09T17:31:00+00:00"


def test_gemini(into: Into) -> None:
    found = into.bring(written(into.folder / "x.json", samples.gemini()))
    assert (found.counts["new"], found.counts["bad"]) == (2, 0)
    old, new = into.all()
    assert told(list(old.messages)) == [
        ("user", "Old one\n\n📎 map.png"),
        ("assistant", "```\ncode\n  here\n```"),
    ]
    assert told(list(new.messages)) == [
        ("user", "A storm?"),
        ("assistant", "- Reef\n- Wait"),
        ("user", "And then?"),
        ("assistant", "Then **wait**."),
        ("assistant", "Go."),
    ]


def test_grok(into: Into) -> None:
    into.bring(written(into.folder / "x.json", samples.grok()))
    assert told(into.shown()) == [("user", "Stars?"), ("assistant", "Many.")]
    assert into.shown()[1].created_at.isoformat() == "2026-01-01T00:00:01+00:00"


def test_ai_studio(into: Into) -> None:
    into.bring(written(into.folder / "x.json", samples.aistudio()))
    asked, reply = into.shown()
    assert (asked.text, reply.text, reply.reasoning) == ("How far?\n\n📎 img1", "Ten miles.", "Count.")
    assert (reply.model, into.one().conversation.settings.system_prompt) == ("gemini-3-pro", "Be exact.")


def test_sharegpt(into: Into) -> None:
    path = into.folder / "x.json"
    into.bring(written(path, samples.sharegpt()))
    first, second = sorted(into.all(), key=lambda whole: whole.conversation.title)
    assert told(list(first.messages)) == [("user", "Call."), ("assistant", "Done.")]
    assert (
        first.messages[1].reasoning == "**function_call**\n\n```\n{}\n```\n\n**observation**\n\n```\nok\n```"
    )
    assert told(list(second.messages)) == [("user", "Hi"), ("assistant", "Hello")]


def test_lines_for_openai_and_trl(into: Into) -> None:
    path = lines(into.folder / "x.jsonl", samples.trl())
    found = [one.conversation for one in conversations_of(path) if isinstance(one, Located)]
    said = [[message.text for message in one.messages] for one in found]
    both = ["Which way?", "South.", "North."]
    short = ["Which way?", "South."]
    assert said == [["Which way?", "", "sea", "South."], short, short, both, both]
    assert [one.leaf for one in found[3:]] == [found[3].messages[1].id, found[4].messages[1].id]
    assert found[0].settings.system_prompt == "Be brief."
    _, calling, result, _ = found[0].messages
    (call,) = calling.tool_calls
    assert (call.name, call.arguments, result.role, result.tool_call_id) == ("look", "{}", "tool", call.id)


EVERY: dict[str, Callable[[Path], Path]] = {
    "chatgpt": lambda path: written(path, [samples.chatgpt()]),
    "claude": lambda path: written(path, [samples.claude()]),
    "open-webui": lambda path: written(path, [samples.openwebui()]),
    "librechat": lambda path: written(path, samples.librechat()),
    "chat-ui": lambda path: zipped(path, {"conversations.json": [samples.chatui()]}),
    "textgen": lambda path: written(path, samples.textgen()),
    "sillytavern": lambda path: lines(path, samples.sillytavern()),
    "gemini": lambda path: written(path, samples.gemini()),
    "grok": lambda path: written(path, samples.grok()),
    "aistudio": lambda path: written(path, samples.aistudio()),
    "sharegpt": lambda path: written(path, samples.sharegpt()),
    "openai": lambda path: lines(path, samples.trl()),
}


@pytest.mark.parametrize("product", EVERY)
def test_the_content_tells_the_product_and_a_second_time_adds_nothing(into: Into, product: str) -> None:
    path = EVERY[product](into.folder / "anything.bin")
    first = into.bring(path)
    assert {key for key in first.counts if key.startswith("product.")} == {f"product.{product}"}
    before = into.all()
    again = into.bring(path)
    assert (again.counts["added"], again.counts["new"]) == (0, 0)
    assert into.all() == before


def test_every_product_has_a_name_and_a_sample() -> None:
    assert {*EVERY, "webchat"} == set(PRODUCTS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "neither a zip nor JSON"),
        (b"hello", "neither a zip nor JSON"),
        (b"<html>", "web page"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04broken", "damaged"),
    ],
)
def test_what_is_no_export_is_refused_in_words(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=words):
        list(conversations_of(path))


@pytest.mark.parametrize(
    "value", [{"download_urls": [{"url": "https://example.com/1"}]}, [{"export_link": "https://example.com"}]]
)
def test_a_list_of_links_is_explained(into: Into, value: Any) -> None:
    found = into.check(written(into.folder / "x.json", value))
    assert "only contains links" in found.problems[0].message


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_note_has_its_sentence_in_the_page(language: str) -> None:
    table = json.loads(Path(f"webchat/ui/locales/{language}/imports.json").read_text(encoding="utf-8"))
    said = {
        key.removeprefix("import.problem."): words
        for key, words in table.items()
        if key.startswith("import.problem.")
    }
    assert said.keys() == SENTENCES.keys()
    places = {code: set(re.findall(r"{\w+}", words)) for code, words in SENTENCES.items()}
    assert {code: set(re.findall(r"{\w+}", words)) for code, words in said.items()} == places
    assert language != "en" or said == SENTENCES


def test_empty_lines_around_a_message_survive(into: Into) -> None:
    said = [{"from": "human", "value": "\n\n  Hello\n"}, {"from": "gpt", "value": "\nHi\n\n"}]
    into.bring(written(into.folder / "x.json", [{"conversations": said}]))
    assert [one.text for one in into.shown()] == ["\n\n  Hello\n", "\nHi\n\n"]
