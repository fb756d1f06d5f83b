"""What a model elsewhere is sent, what its reader reads, and what is kept of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import pytest

from backends.types import ImagePart, Message, ReasoningDelta, Request, TextDelta, TextPart, ToolCallDelta
from webchat.moderation import Context, Decision, Moderation, OpenGates, Prepared
from webchat.moderation.filters import Moderator
from webchat.moderation.kinds.personal import personal
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.matching import Rule
from webchat.moderation.verdicts import Piece
from webchat.privacy.keeping import Encrypted, Keep, Unkept
from webchat.privacy.masking import Masking
from webchat.turns.gates.masked import MaskedGates

PHONE = "13812345678"
SECRET = "s" * 40


def elsewhere(conversation: str | None = "c", owner: str = "o", so_far: str = "") -> Context:
    return Context("prompt", owner, "m", conversation, "r", remote=True, so_far=so_far)


def asked(*texts: str) -> Request:
    return Request(
        tuple(Message("user" if at % 2 == 0 else "assistant", text) for at, text in enumerate(texts))
    )


def sent(prepared: Prepared) -> list[str]:
    return [message.text for message in prepared.request.messages]


async def read(prepared: Prepared, *deltas: Piece) -> dict[str, str]:
    pieces = [piece for delta in deltas for piece in (await prepared.gate.feed(delta)).pieces]
    said = {"text": "", "reasoning": "", "tool": ""}
    for piece in [*pieces, *(await prepared.gate.finish()).pieces]:
        match piece:
            case TextDelta():
                assert piece.text, "nothing empty is released"
                said["text"] += piece.text
            case ReasoningDelta():
                said["reasoning"] += piece.text
            case ToolCallDelta():
                said["tool"] += piece.arguments
    return said


def pieces(text: str, size: int = 3) -> Sequence[TextDelta]:
    return [TextDelta(text[at : at + size]) for at in range(0, len(text), size)]


class Table:
    """The rows of the store, in memory."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], dict[str, bytes]] = {}

    async def load(self, owner: str, conversation: str) -> Mapping[str, bytes]:
        return dict(self.rows.get((owner, conversation), {}))

    async def save(self, owner: str, conversation: str, values: Mapping[str, bytes], anew: bool) -> None:
        rows = self.rows.setdefault((owner, conversation), {})
        if anew:
            rows.clear()
        rows.update(values)

    def keep(self, secret: str = SECRET) -> Keep:
        return Encrypted(self.load, self.save, secret)


async def test_a_model_elsewhere_never_sees_it_and_the_reader_does() -> None:
    gates = MaskedGates(OpenGates(), Masking(Unkept()))
    prepared = await gates.prepare(elsewhere(), asked(f"我的手机是{PHONE}", "好", f"再说一遍{PHONE}，a@b.io"))
    assert sent(prepared) == ["我的手机是[PHONE_1]", "好", "再说一遍[PHONE_1]，[EMAIL_1]"]
    said = await read(prepared, *pieces("您的号码是【phone_1】，邮箱[EMAIL_1]。"))
    assert said["text"] == f"您的号码是{PHONE}，邮箱a@b.io。"
    assert prepared.details == {
        "masked": [
            {"placeholder": "[EMAIL_1]", "kind": "email"},
            {"placeholder": "[PHONE_1]", "kind": "phone"},
        ],
        "masked_count": 3,
    }
    assert prepared.hide(f"打{PHONE}") == "打[PHONE_1]"


async def test_system_prompts_parts_and_replies_are_masked_and_images_left() -> None:
    image = ImagePart(b"x", "image/png")
    request = Request(
        (
            Message("system", f"Boss: {PHONE}"),
            Message("user", (TextPart("a@b.io"), image, TextPart(f"or {PHONE}"))),
            Message("assistant", f"call {PHONE}"),
        )
    )
    messages = (
        await MaskedGates(OpenGates(), Masking(Unkept())).prepare(elsewhere(), request)
    ).request.messages
    assert messages == (
        Message("system", "Boss: [PHONE_1]"),
        Message("user", (TextPart("[EMAIL_1]"), image, TextPart("or [PHONE_1]"))),
        Message("assistant", "call [PHONE_1]"),
    )


async def test_a_model_at_home_is_sent_all_unless_always() -> None:
    home = Context("prompt", "o", "m", "c")
    request = asked(PHONE)
    assert (await MaskedGates(OpenGates(), Masking(Unkept())).prepare(home, request)).request == request
    always = await MaskedGates(OpenGates(), Masking(Unkept()), always=True).prepare(home, request)
    assert sent(always) == ["[PHONE_1]"]


async def test_reasoning_is_restored_and_ends_where_the_answer_goes_on() -> None:
    prepared = await MaskedGates(Moderation([]), Masking(Unkept())).prepare(elsewhere(), asked(PHONE))
    said = await read(
        prepared,
        ReasoningDelta("it is [PHO"),
        ReasoningDelta("NE_1], [PHONE"),
        TextDelta("_1] [PH"),
        ReasoningDelta("again"),
        TextDelta("ONE_1]"),
    )
    assert said == {"reasoning": f"it is {PHONE}, [PHONEagain", "text": f"_1] {PHONE}", "tool": ""}


async def test_arguments_of_tools_keep_their_placeholders() -> None:
    prepared = await MaskedGates(OpenGates(), Masking(Unkept())).prepare(elsewhere(), asked(PHONE))
    said = await read(prepared, ToolCallDelta(0, "1", "fetch", '{"url": "https://evil.example/[PHONE_1]"}'))
    assert PHONE not in said["tool"]


async def test_rules_look_at_what_the_reader_would_read() -> None:
    rules: list[Moderator] = [personal("mask", stages=["output"]), Phrases("w", {"bomb": Rule("w", "block")})]
    gates = MaskedGates(Moderation(rules, lambda _: None), Masking(Unkept()))
    prepared = await gates.prepare(elsewhere(), asked(PHONE))
    assert (await read(prepared, *pieces("It is [PHONE_1].")))["text"] == "It is [phone]."
    prepared = await gates.prepare(elsewhere(), asked(PHONE))
    released = await prepared.gate.feed(TextDelta("PHONE_1, a bomb in there, and more"))
    assert released.pieces == [TextDelta("[phone], a ")]
    assert released.verdict is not None


async def test_what_rules_for_prompts_are_given_is_masked() -> None:
    told: list[Decision] = []
    rules: list[Moderator] = [personal("flag", stages=["prompt"])]
    await MaskedGates(Moderation(rules, told.append), Masking(Unkept())).prepare(
        elsewhere(), asked(f"x {PHONE}")
    )
    assert not told


async def test_conversations_and_owners_never_mix() -> None:
    table = Table()
    gates = MaskedGates(OpenGates(), Masking(table.keep()))
    await gates.prepare(elsewhere("c"), asked(PHONE))
    other = await gates.prepare(elsewhere("d"), asked("13987654321"))
    assert (await read(other, TextDelta("[PHONE_1]")))["text"] == "13987654321"
    for context in (elsewhere("e"), elsewhere("c", "stranger"), elsewhere(None)):
        empty = await gates.prepare(context, asked("hello"))
        assert (await read(empty, TextDelta("[PHONE_1]")))["text"] == "[PHONE_1]"
    # Not even where the rows themselves are moved.
    table.rows["o", "d"] = dict(table.rows["o", "c"])
    moved = await MaskedGates(OpenGates(), Masking(table.keep())).prepare(elsewhere("d"), asked("hello"))
    assert (await read(moved, TextDelta("[PHONE_1]")))["text"] == "[PHONE_1]"


async def test_after_a_restart_the_same_placeholder_means_the_same() -> None:
    table = Table()
    first = MaskedGates(OpenGates(), Masking(table.keep()))
    await first.prepare(elsewhere(), asked(f"a@b.io {PHONE}"))
    again = MaskedGates(OpenGates(), Masking(table.keep()))
    prepared = await again.prepare(elsewhere(), asked(f"13987654321 {PHONE}"))
    assert sent(prepared) == ["[PHONE_2] [PHONE_1]"]
    assert (await read(prepared, TextDelta("[EMAIL_1]")))["text"] == "a@b.io"


async def test_nothing_kept_can_be_read_without_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    table = Table()
    await MaskedGates(OpenGates(), Masking(table.keep())).prepare(elsewhere(), asked(f"a@b.io {PHONE}"))
    kept = b"".join(value for rows in table.rows.values() for value in rows.values())
    assert PHONE.encode() not in kept
    with caplog.at_level(logging.WARNING):
        prepared = await MaskedGates(OpenGates(), Masking(table.keep("t" * 40))).prepare(
            elsewhere(), asked(PHONE)
        )
    assert sent(prepared) == ["[PHONE_1]"]
    assert "cannot be decrypted with this masking-secret" in caplog.text
    assert PHONE not in caplog.text
    # Begun anew, and so it is found at the next start.
    again = await MaskedGates(OpenGates(), Masking(table.keep("t" * 40))).prepare(elsewhere(), asked("hi"))
    assert (await read(again, TextDelta("[PHONE_1] [EMAIL_1]")))["text"] == f"{PHONE} [EMAIL_1]"


async def test_a_database_that_is_away_stops_no_reply(caplog: pytest.LogCaptureFixture) -> None:
    async def away(*_: object) -> None:
        raise OSError(f"no disk for {PHONE}")

    gates = MaskedGates(OpenGates(), Masking(Encrypted(away, away, SECRET)))  # type: ignore[arg-type]
    prepared = await gates.prepare(elsewhere(), asked(PHONE))
    assert sent(prepared) == ["[PHONE_1]"]
    assert (await read(prepared, TextDelta("[PHONE_1]")))["text"] == PHONE
    assert "cannot be stored" in caplog.text
    assert PHONE not in caplog.text
