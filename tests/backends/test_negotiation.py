"""The search for what an endpoint refuses: bounded, soon settled, and nothing is left out needlessly.

Without a network; `test_refusing` has the endpoints.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.errors import BadRequest
from backends.openai_compat.refusals.causes import negotiable, odd_values
from backends.openai_compat.refusals.errors import from_status
from backends.openai_compat.refusals.negotiation import ATTEMPTS, Learned
from backends.openai_compat.refusals.refusal import Refusal, read_refusal
from backends.openai_compat.refusals.terms import Offer, Terms
from backends.openai_compat.refusals.variants import FEATURES, NEEDS, SWAPPED, features, variant
from backends.types import opened_with

Body = dict[str, Any]
Words = Callable[[list[str]], str]

FULL: Body = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "user", "content": "there"},
    ],
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 4,
    "min_p": 0.1,
    "repetition_penalty": 1.1,
    "max_tokens": 9,
    "seed": 1,
    "stop": ["END"],
}
OPTIONAL = features(FULL)
IN_WORDS = tuple(feature for feature in OPTIONAL if feature != "turns")  # it has no name of its own

VOICES: dict[str, Words] = {
    "says nothing": lambda refused: "",
    "says the same": lambda refused: "参数错误",
    "names the first": lambda refused: f"{refused[0]}?",
    "names the last": lambda refused: f"不支持{refused[-1]}。",
    "names all": lambda refused: f"Unrecognized: {', '.join(refused)}",
    "names the wrong one": lambda refused: "something is wrong with temperature",
}


class Endpoint:
    """Refuses some features, in words of its own. posts: how many requests came, in all and of the last."""

    def __init__(self, refused: Collection[str], words: Words) -> None:
        self.refused, self.words = set(refused), words
        self.terms = Terms("m")
        self.posts = 0

    def answer(self, body: Body) -> BadRequest | None:
        self.posts += 1
        refused = [feature for feature in features(body) if feature in self.refused]
        if not refused:
            return None
        said = json.dumps({"error": {"message": self.words(refused)}}, ensure_ascii=False).encode()
        error = from_status(400, {}, said, key=None, place="host")
        assert isinstance(error, BadRequest)
        return error

    async def ask(self, body: Body) -> Offer:
        """One reply; the offer it was made on."""
        self.posts = 0
        offer = self.terms.offer(body)
        while True:
            error = self.answer(offer.body)
            if error is None and offer.fuller():
                continue
            if error is None or not await offer.refused(error, float("inf")):
                assert error is None or offer.reads_held, (self.refused, error)
                offer.taken()
                return offer


def needless(offer: Offer, endpoint: Endpoint, body: Body) -> set[str]:
    """What is left out of a body though it would be accepted."""
    left = {*features(body)} - {*features(offer.body)}
    return {
        one
        for one in left
        if NEEDS.get(one) not in left
        and not endpoint.refused & {*features(variant(body, (left | {SWAPPED} & endpoint.refused) - {one}))}
    }


@st.composite
def bodies(draw: st.DrawFn) -> Body:
    """A request with some of the features."""
    kept = draw(st.sets(st.sampled_from(OPTIONAL), min_size=1))
    body = variant(FULL, {*OPTIONAL} - kept - {"system", "turns"})
    body.pop(SWAPPED, None)
    system, first, second = FULL["messages"]
    body["messages"] = [system] * ("system" in kept) + [first] + [second] * ("turns" in kept)
    return body


@pytest.mark.parametrize("words", VOICES.values(), ids=VOICES.keys())
@given(st.data())
@settings(max_examples=20, deadline=None)
async def test_whatever_is_refused_is_found_in_four_requests_and_nothing_needless_left_out_in_the_end(
    words: Words, data: st.DataObject
) -> None:
    body = data.draw(bodies())
    refused = data.draw(st.sets(st.sampled_from([*features(body), SWAPPED])))
    endpoint = Endpoint(refused, words)
    await endpoint.ask(body)
    assert endpoint.posts <= 1 + ATTEMPTS
    more = 0
    for _ in range(3 * len(OPTIONAL)):
        offer = await endpoint.ask(body)
        assert endpoint.posts <= 2
        more += endpoint.posts - 1
    assert endpoint.posts == 1
    assert more <= len(refused) + 1
    assert not needless(offer, endpoint, body)


@pytest.mark.parametrize(
    ("refused", "voice", "left_out"),
    [
        (("stream",), "names the wrong one", ("stream_options",)),
        (("stream", "turns", "top_k", "repetition_penalty", "min_p"), "names all", ()),
    ],
)
async def test_what_only_goes_with_something_left_out_does_not_keep_others_out(
    refused: tuple[str, ...], voice: str, left_out: tuple[str, ...]
) -> None:
    body = variant(FULL, left_out)
    endpoint = Endpoint(refused, VOICES[voice])
    for _ in range(5):
        offer = await endpoint.ask(body)
    assert not needless(offer, endpoint, body)


@pytest.mark.parametrize(
    ("words", "company"),
    [
        *((words, IN_WORDS) for name, words in VOICES.items() if name != "names the wrong one"),
        (VOICES["names the wrong one"], ("system", "stream", "stream_options", "temperature")),
    ],
)
@pytest.mark.parametrize("refused", IN_WORDS)
async def test_one_refused_feature_is_settled_with_the_first_reply(
    words: Words, refused: str, company: tuple[str, ...]
) -> None:
    body = variant(FULL, {*OPTIONAL} - {*company, refused, "system", "turns"})
    body.pop(SWAPPED, None)
    body["messages"] = FULL["messages"][: 2 if "system" in (*company, refused) else 1]
    endpoint = Endpoint({refused}, words)
    await endpoint.ask(body)
    assert endpoint.posts <= 1 + ATTEMPTS
    for _ in range(3):
        offer = await endpoint.ask(body)
        assert endpoint.posts == 1
    assert not needless(offer, endpoint, body)


@pytest.mark.parametrize("words", [VOICES["names the first"], VOICES["names all"]])
async def test_two_refused_features_that_are_named_are_settled_with_the_first_reply(words: Words) -> None:
    for one in IN_WORDS:
        for other in IN_WORDS:
            endpoint = Endpoint({one, other}, words)
            body = {**FULL, "messages": FULL["messages"][:2]}
            await endpoint.ask(body)
            assert endpoint.posts <= 1 + ATTEMPTS
            offer = await endpoint.ask(body)
            assert endpoint.posts == 1
            assert not needless(offer, endpoint, body)


async def test_what_was_accepted_once_is_not_suspected_again() -> None:
    endpoint = Endpoint((), VOICES["says nothing"])
    await endpoint.ask(FULL)
    error = from_status(400, {}, b"no", key=None, place="host")
    offer = endpoint.terms.offer(FULL)
    assert not await offer.refused(error, float("inf"))
    assert offer.failure(error) is error


async def test_what_an_endpoint_asks_back_is_sent_again_and_its_refusal_forgotten() -> None:
    endpoint = Endpoint((), VOICES["names the first"])
    endpoint.terms.learn(Learned(frozenset({"stream", "max_tokens"})))
    body = {**FULL, "messages": FULL["messages"][1:2]}
    error = from_status(400, {}, b"stream must be true", key=None, place="host")
    offer = endpoint.terms.offer(body)
    assert await offer.refused(error, float("inf"))
    assert offer.body["stream"]
    offer.taken()
    assert endpoint.terms.learned.refused == {"max_tokens"}
    error = from_status(400, {}, b"unknown field max_completion_tokens", key=None, place="host")
    offer = endpoint.terms.offer(body)
    assert await offer.refused(error, float("inf"))
    assert offer.body["max_tokens"] == 9


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "The response was filtered", "code": "content_filter"}}),
        (400, {"error": {"message": "Output data may contain inappropriate content."}}),
        (400, {"error": {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容"}}),
        (400, {"error": {"message": "Your request was rejected by our safety system"}}),
        (400, {"error": {"message": "maximum context length is 8192 tokens, you requested 9000"}}),
        (400, {"error": {"message": "输入过长，超出模型上下文长度"}}),
        (400, {"error": {"message": "API key not valid. Please pass a valid API key."}}),
        (400, {"error": {"message": "Your credit balance is too low", "type": "invalid_request_error"}}),
        (400, {"code": "Arrearage", "message": "Access denied, your account is not in good standing"}),
        (400, {"error": {"message": "账户余额不足"}}),
        (400, {"error": {"message": "You exceeded your current quota"}}),
        (400, {"error": {"message": "model x does not exist"}}),
        (400, {"error": {"message": "Too many requests, slow down"}}),
        (401, {"error": {"message": "unsupported top_k"}}),
        (403, {"error": {"message": "unsupported top_k"}}),
        (404, {"error": {"message": "unsupported top_k"}}),
        (429, {"error": {"message": "unsupported top_k"}}),
        (500, {"error": {"message": "unsupported top_k"}}),
        (500, {"error": {"message": "boom"}}),
        (503, {"error": {"message": "unsupported top_k"}}),
    ],
)
def test_refusals_that_leaving_out_does_not_mend_are_not_negotiated(status: int, body: object) -> None:
    error = from_status(status, {}, json.dumps(body).encode(), key=None, place="host")
    assert isinstance(error.__cause__, Refusal)
    assert not negotiable(error, error.__cause__, FULL)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("temperature must be at most 2", {"temperature": 3}),
        ("temperature: value 1.5 must be between 0 and 1", {"temperature": 1.5}),
        ("temperature 的取值范围是 [0, 1]", {"temperature": 1.5}),
        (
            "max_tokens is too large: 100000. This model supports at most 4096 completion tokens",
            {"max_tokens": 100000},
        ),
        ("stop: at most 4 sequences", {"stop": ["a"] * 5}),
        ("温度参数有误", {"temperature": 3, "top_p": 7}),
    ],
)
def test_a_value_that_is_refused_is_told(said: str, value: Body) -> None:
    error = from_status(400, {}, json.dumps({"error": {"message": said}}).encode(), key=None, place="host")
    assert isinstance(error.__cause__, Refusal)
    body = FULL | value
    assert not negotiable(error, error.__cause__, body) or odd_values(body) == {"temperature", "top_p"}


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"type": "less_than_equal", "loc": ["body", "temperature"], "msg": "Input is off"}]},
        {"error": {"message": "Invalid", "param": "temperature", "code": "decimal_above_max_value"}},
    ],
)
def test_a_code_for_a_value_is_understood(body: object) -> None:
    error = from_status(422, {}, json.dumps(body).encode(), key=None, place="host")
    assert isinstance(error.__cause__, Refusal)
    assert not negotiable(error, error.__cause__, FULL)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"error": {"message": "Unrecognized request argument supplied: top_k"}}, "top_k"),
        ({"error": {"message": "x", "param": "seed", "code": "unsupported_parameter"}}, "seed"),
        ({"error": {"message": "temperature and then", "param": "seed"}}, "seed"),
        ({"detail": [{"type": "extra_forbidden", "loc": ["body", "min_p"], "msg": "no"}]}, "min_p"),
        ({"error": {"message": "不支持top_p参数"}}, "top_p"),
        ({"error": {"message": "topK is unknown"}}, "top_k"),
        ({"error": {"message": "messages[0].role is wrong"}}, "system"),
        ({"error": {"message": "bad", "param": "messages[0].role"}}, "system"),
        (
            {"error": {"message": "bad", "details": [{"fieldViolations": [{"field": "config.top_k"}]}]}},
            "top_k",
        ),
        ({"error": {"message": "desktop_p and seeds"}}, None),
        ({"error": {"message": "bad"}, "request": {"seed": 1, "top_k": 2}}, None),
        ({"detail": [{"msg": "bad", "loc": ["body"], "input": {"seed": 1}}]}, None),
    ],
)
def test_a_feature_is_known_by_its_name_in_the_answer(body: object, named: str | None) -> None:
    names = read_refusal(400, json.dumps(body, ensure_ascii=False).encode()).names(OPTIONAL)
    assert (names[0] if names else None) == named


def test_two_answers_that_differ_in_ids_and_counts_say_the_same() -> None:
    one, other, another = (
        read_refusal(400, f'{{"error": {{"message": "{said}"}}}}'.encode())
        for said in (
            "Bad request (id 2f1c-77aa, 12 ms)",
            "Bad request (id 9b0d-11cc, 7 ms)",
            "Bad question (id 9b0d-11cc, 7 ms)",
        )
    )
    assert one.same_as(other)
    assert not one.same_as(another)


def test_a_variant_says_the_same_otherwise() -> None:
    parts = [{"type": "text", "text": "Look: "}, {"type": "image_url", "image_url": {"url": "data:"}}]
    system, user = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}
    assistant = {"role": "assistant", "content": "Hi"}

    def said(out: set[str], *messages: Body) -> list[Body]:
        return variant({"messages": list(messages)}, out)["messages"]  # type: ignore[no-any-return]

    folded = {"role": "user", "content": "Be brief.\n\nHello"}
    assert said({"system"}, system, user) == [folded]
    assert said({"system"}, system, user, user) == [folded, user]
    assert said({"system"}, system, assistant, user) == [{**system, "role": "user"}, assistant, user]
    assert said({"system"}, user, system) == [{"role": "user", "content": "Hello\n\nBe brief."}]
    assert said({"system"}, system) == [{**system, "role": "user"}]
    quoted = f"Be brief.\n\n{opened_with('Hi')}"
    assert said({"opening"}, system, assistant, user) == [{**system, "content": quoted}, user]
    assert said({"opening"}, assistant, user) == [
        {"role": "user", "content": f"{opened_with('Hi')}\n\nHello"}
    ]
    assert said({"opening", "system"}, system, assistant, user) == [
        {"role": "user", "content": f"{quoted}\n\nHello"}
    ]
    assert said({"opening"}, assistant) == [assistant]
    assert said({"turns"}, user, user, assistant) == [
        {"role": "user", "content": "Hello\n\nHello"},
        assistant,
    ]
    (picture,) = said({"system"}, system, {"role": "user", "content": parts})
    assert picture["content"][0] == {"type": "text", "text": "Be brief."}
    assert picture["content"][2:] == parts
    text = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert said({"parts"}, {"role": "user", "content": text}) == [{"role": "user", "content": "ab"}]
    assert said({"parts"}, {"role": "user", "content": parts}) == [{"role": "user", "content": parts}]


def test_a_variant_has_none_of_what_is_left_out() -> None:
    for feature in FEATURES:
        assert feature not in features(variant(FULL, {feature}))
    assert variant(FULL, {"max_tokens"})[SWAPPED] == 9
    assert SWAPPED not in variant(FULL, {"max_tokens", SWAPPED})
    assert "stream_options" not in variant(FULL, {"stream"})
    assert variant(FULL, ()) == FULL


def test_what_was_learned_is_kept_as_json_and_anything_else_refused() -> None:
    learned = Learned(
        frozenset({"top_k"}), frozenset({"seed"}), frozenset({"stop"}), frozenset({("top_p", "temperature")})
    )
    kept = json.loads(json.dumps(learned.to_json()))
    assert Learned.from_json(kept) == Learned(
        frozenset({"top_k", "seed"}), clashes=frozenset({("top_p", "temperature")})
    )
    refused: list[Any] = [["x"], [[]], [None], "seed"]
    clashes: list[Any] = [[["seed"]], [["seed", "x"]], {}]
    wrong: list[Any] = [None, [], {}]
    wrong += [{"refused": some, "clashes": []} for some in refused]
    wrong += [{"refused": [], "clashes": some} for some in clashes]
    for one in wrong:
        with pytest.raises(ValueError, match="not a record"):
            Learned.from_json(one)
