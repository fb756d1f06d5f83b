"""The plain renderer: what a model is sent for a stored conversation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from backends.base import Capabilities
from backends.types import Message, Role, Sampling, ToolCall, opened_with
from tests.growth import MOST, growth
from webchat.prompts import CONTINUE, PlainRenderer, Scene, fit
from webchat.prompts.renderer import merge_sampling
from webchat.store.records import ConversationSettings, PathMessage

ALL = Capabilities(prefill=True, seed=True)


def path(*said: str) -> list[PathMessage]:
    """`u:words` and `a:words` as a stored path."""
    roles: dict[str, Role] = {"u": "user", "a": "assistant"}
    return [PathMessage(f"m{i}", roles[text[0]], text[2:], "complete") for i, text in enumerate(said)]


def sent(scene: Scene) -> list[tuple[str, str]]:
    return [(m.role, m.text) for m in PlainRenderer().render(scene).request.messages]


def test_tool_calls_are_sent_with_all_their_results_or_told_in_words() -> None:
    calls = (ToolCall("a", "look", "{}"), ToolCall("b", "read", '{"n": 1}'))
    said = [
        PathMessage("m0", "user", "one", "complete"),
        PathMessage("m1", "assistant", "", "complete", tool_calls=calls),
        PathMessage("m2", "tool", "B", "complete", tool_call_id="b"),
        PathMessage("m3", "tool", "A", "complete", tool_call_id="a"),
    ]
    takes = replace(ALL, tools=True)
    request = PlainRenderer().render(Scene(said, takes)).request
    assert [(m.role, m.tool_calls, m.tool_call_id) for m in request.messages[1:]] == [
        ("assistant", calls, None),
        ("tool", (), "b"),
        ("tool", (), "a"),
    ]
    words = [("user", "one"), ("assistant", '[Called look with {}]\n[Called read with {"n": 1}]')]
    results = ["[Result of a tool call]\nB", "[Result of a tool call]\nA"]
    assert sent(Scene(said, ALL)) == [*words, ("user", "\n\n".join(results))]
    assert sent(Scene(said[:3], takes)) == [*words, ("user", results[0])]
    given = PlainRenderer().render(Scene(said[:3], takes, as_given=True)).request.messages
    assert (given[1].tool_calls, given[2].tool_call_id) == (calls, "b")


def test_system_prompt_then_the_conversation() -> None:
    scene = Scene(path("u:one", "a:two", "u:three"), ALL, system_prompt="Be kind.")
    assert sent(scene) == [
        ("system", "Be kind."),
        ("user", "one"),
        ("assistant", "two"),
        ("user", "three"),
    ]


@pytest.mark.parametrize(("own", "first"), [(None, "Default"), ("Mine", "Mine"), ("", None)])
def test_the_conversations_system_prompt_wins_and_an_empty_one_means_none(
    own: str | None, first: str | None
) -> None:
    scene = Scene(path("u:x"), ALL, settings=ConversationSettings(system_prompt=own), system_prompt="Default")
    assert dict(sent(scene)).get("system") == first


def test_without_a_system_role_the_prompt_opens_the_first_message() -> None:
    scene = Scene(path("u:one"), replace(ALL, system_role=False), system_prompt="Be kind.")
    assert sent(scene) == [("user", "Be kind.\n\none")]
    assert PlainRenderer().render(scene).system_as == "user"
    for other in (replace(scene, system_prompt=None), replace(scene, capabilities=ALL)):
        assert PlainRenderer().render(other).system_as is None


def test_the_opening_is_said_first() -> None:
    scene = Scene(path("u:one"), ALL, system_prompt="Be kind.", opening="Ask me.")
    assert sent(scene) == [("system", "Be kind."), ("assistant", "Ask me."), ("user", "one")]
    rendered = PlainRenderer().render(scene)
    assert (rendered.ids, rendered.opening_as) == ((None, None, "m0"), None)
    assert rendered.prompt[1:] == ({"role": "assistant", "content": "Ask me."}, {"path": "m0", "count": 1})


@pytest.mark.parametrize("system", ["Be kind.", None])
@pytest.mark.parametrize("has_role", [True, False])
def test_a_model_that_does_not_speak_first_is_told_of_the_opening(system: str | None, has_role: bool) -> None:
    takes = replace(ALL, speaks_first=False, system_role=has_role)
    scene = Scene(path("u:one"), takes, system_prompt=system, opening="Ask me.")
    told = "\n\n".join(text for text in (system, opened_with("Ask me.")) if text)
    rendered = PlainRenderer().render(scene)
    if has_role:
        assert sent(scene) == [("system", told), ("user", "one")]
    else:
        assert sent(scene) == [("user", f"{told}\n\none")]
    assert rendered.opening_as == ("system" if has_role else "user")
    assert rendered.system_as == ("user" if system and not has_role else None)
    assert {"role": "assistant", "content": "Ask me."} in rendered.prompt


def test_the_opening_is_the_first_to_be_left_out() -> None:
    stored = path("u:one", "a:two", "u:three")
    scene = Scene(stored, ALL, opening="An opening that is longer.")
    for room, start, before, kept in ((12, 0, 0, 3), (5, 0, 0, 1), (None, 2, 0, 1), (None, 0, 4, 3)):
        cut = replace(scene, path=[replace(stored[0], before=before), *stored[1:]], room=room, start=start)
        assert sent(cut) == [(m.role, m.text) for m in stored[-kept:]]
        rendered = PlainRenderer().render(cut)
        assert rendered.left_out == before + 4 - kept
        assert rendered.first_sent == stored[-kept].id


def test_each_message_of_a_request_names_the_stored_one_it_is_from() -> None:
    stored = path("u:one", "a:two", "u:three", "u:four")
    ids = [message.id for message in stored]
    assert PlainRenderer().render(Scene(stored, ALL, system_prompt="S")).ids == (None, ids[0], ids[1], ids[3])


def test_replies_without_words_and_blocked_ones_are_left_out_and_neighbours_merged() -> None:
    stored = path("u:one", "a:", "u:two", "a:bad", "u:three")
    stored[3] = replace(stored[3], state="blocked")
    assert sent(Scene(stored, ALL)) == [("user", "one\n\ntwo\n\nthree")]


def test_what_was_not_read_counts_as_left_out() -> None:
    stored = path("u:one", "a:two", "u:three")
    rendered = PlainRenderer().render(Scene([replace(stored[0], before=7), *stored[1:]], ALL))
    assert (rendered.left_out, rendered.first_sent) == (7, stored[0].id)
    shorter = PlainRenderer().render(Scene([replace(stored[0], before=7), *stored[1:]], ALL, room=5))
    assert (shorter.left_out, shorter.first_sent) == (9, stored[2].id)


def test_unanswered_questions_are_merged_at_the_cost_of_their_length() -> None:
    text = "u:" + "x" * 5_000

    def merging(count: int) -> Callable[[], object]:
        scene = Scene(path(*[text] * count), ALL)
        return lambda: PlainRenderer().render(scene)

    assert growth(merging, 250) < MOST


def test_sampling_is_the_models_then_the_conversations_then_what_the_backend_takes() -> None:
    defaults = Sampling(temperature=0.5, top_k=40, max_tokens=100, stop=("END",))
    chosen = Sampling(temperature=0.0, seed=3, min_p=0.1)
    merged = merge_sampling(defaults, chosen)
    assert merged == replace(defaults, temperature=0.0, seed=3, min_p=0.1)
    scene = Scene(
        path("u:x"),
        Capabilities(sampling=frozenset({"temperature", "stop"}), seed=True),
        settings=ConversationSettings(sampling=chosen),
        sampling=defaults,
    )
    rendered = PlainRenderer().render(scene)
    assert rendered.request.sampling == Sampling(temperature=0.0, seed=3, stop=("END",))
    assert rendered.without == ("top_k", "min_p", "max_tokens")


def test_continue_writes_on_from_the_reply_where_the_backend_can() -> None:
    *before, reply = path("u:one", "a:begun")
    rendered = PlainRenderer().render(Scene(before, ALL, continues=reply))
    assert rendered.request.continue_final
    assert rendered.request.messages[-1] == Message("assistant", "begun")


def test_continue_asks_for_the_rest_where_the_backend_cannot() -> None:
    *before, reply = path("u:one", "a:begun")
    rendered = PlainRenderer().render(Scene(before, Capabilities(), continues=reply))
    assert not rendered.request.continue_final
    assert rendered.request.messages[1:] == (Message("assistant", "begun"), Message("user", CONTINUE))


def test_continue_of_a_reply_without_words_begins_anew() -> None:
    *before, reply = path("u:one", "a:")
    assert sent(Scene(before, ALL, continues=reply)) == [("user", "one")]


def test_an_empty_conversation_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="needs a message"):
        PlainRenderer().render(Scene([], ALL))


@pytest.mark.parametrize("capabilities", [ALL, Capabilities(system_role=False)])
def test_the_prompt_in_short_is_short_and_expands_to_what_was_sent(capabilities: Capabilities) -> None:
    *before, reply = path(*["u:question", "a:answer"] * 500, "u:last", "a:begun")
    rendered = PlainRenderer().render(Scene(before, capabilities, system_prompt="Be kind.", continues=reply))
    assert len(rendered.prompt) <= 4
    stored = {before[-1].id: before, reply.id: [*before, reply]}
    whole: list[Message] = []
    for item in rendered.prompt:
        if "path" in item:
            whole += [Message(m.role, m.text) for m in stored[item["path"]][-item["count"] :]]
        else:
            whole.append(Message(item["role"], item["content"]))
    assert fit(whole, capabilities) == rendered.request.messages
