"""The law of a turn, on the real store: stored before shown, in order, once, whatever followers do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest

from backends.echo import Delay, EchoBackend, Step
from backends.errors import RateLimited, Unavailable
from backends.types import (
    Event,
    Finished,
    ReasoningDelta,
    Request,
    Sampling,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from tests.turns.conftest import Bench, MakeBench, until
from webchat.store import NotFound
from webchat.store.records import ConversationSettings
from webchat.turns import (
    Ask,
    BadAsk,
    Delta,
    Done,
    EmptyMessage,
    MessageTooLong,
    NotAccepting,
    Party,
    ServerBusy,
    Status,
    StillRunning,
    TooManyTurns,
    TooManyTurnsOfLink,
    TooManyTurnsOfNetwork,
    UnknownModel,
)
from webchat.turns.ask import AskKind
from webchat.turns.places import Most

WORDS = " ".join(f"w{i}" for i in range(60))


def stored_text(at: Bench, message_id: str) -> str:
    return at.store.message(at.owner, message_id).text


async def test_a_reply_is_the_models_words_and_is_stored(bench: MakeBench) -> None:
    async with bench() as at:
        reply = await at.say("Hello there, 你好。")
        assert (reply.text, reply.state, reply.finish_reason) == ("Hello there, 你好。", "complete", "stop")
        assert at.store.message(at.owner, reply.id) == reply


async def test_everything_shown_is_in_the_database_at_that_moment(bench: MakeBench) -> None:
    async with bench(EchoBackend(rate=400, reasoning="Let me think a while.")) as at:
        begun = await at.ask(text=WORDS)
        shown = {"text": "", "reasoning": ""}
        async for event in at.turns.follow(at.owner, begun.reply.id):
            stored = at.store.message(at.owner, begun.reply.id)
            if isinstance(event, Delta):
                shown[event.kind] += event.text
                assert stored.text.startswith(shown["text"])
                assert stored.reasoning.startswith(shown["reasoning"])
                assert stored.seq >= event.seq
            elif isinstance(event, Done):
                assert stored == event.message
        assert shown == {"text": WORDS, "reasoning": "Let me think a while."}


async def test_entries_count_from_one_without_gaps_and_are_fewer_than_tokens(bench: MakeBench) -> None:
    async with bench(EchoBackend(rate=1000), flush_seconds=0.05) as at:
        begun = await at.ask(text=" ".join(["word"] * 300))
        events = await at.events(begun.reply.id)
        seqs = [event.seq for event in events if isinstance(event, Delta)]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) < 100


async def test_following_from_any_entry_gives_exactly_the_rest(bench: MakeBench) -> None:
    async with bench(EchoBackend(rate=300)) as at:
        begun = await at.ask(text=WORDS)
        followers = []
        whole: list[Delta] = []
        async for event in at.turns.follow(at.owner, begun.reply.id):
            if isinstance(event, Delta):
                whole.append(event)
                followers.append(asyncio.create_task(at.events(begun.reply.id, event.seq)))
        assert len(whole) > 3
        for seen, events in enumerate(await asyncio.gather(*followers), start=1):
            assert [e for e in events if isinstance(e, Delta)] == whole[seen:]
            assert isinstance(events[-1], Done)


async def test_who_comes_after_the_end_gets_the_message(bench: MakeBench) -> None:
    async with bench() as at:
        reply = await at.say("Hi")
        assert await at.events(reply.id) == [Done(reply)]
        assert await at.events(reply.id, 99) == [Done(reply)]


async def test_nobody_follows_and_the_reply_is_made_all_the_same(bench: MakeBench) -> None:
    async with bench(EchoBackend(rate=500)) as at:
        begun = await at.ask(text=WORDS)
        await until(lambda: not at.turns.running(at.owner))
        assert stored_text(at, begun.reply.id) == WORDS


async def test_a_follower_that_stands_still_holds_nobody_up(bench: MakeBench) -> None:
    async with bench(EchoBackend(rate=500)) as at:
        begun = await at.ask(text=WORDS)
        slow = at.turns.follow(at.owner, begun.reply.id)
        assert isinstance(await anext(slow), Status)
        reply = await at.end(begun)
        assert reply.text == WORDS
        late = [event async for event in slow]
        assert "".join(e.text for e in late if isinstance(e, Delta)) == WORDS
        assert late[-1] == Done(reply)


async def test_an_entry_is_encoded_once_for_all_followers(bench: MakeBench) -> None:
    async with bench(EchoBackend(script=['a "quote"\nand 你好'])) as at:
        begun = await at.ask(text="x")
        one, two = await asyncio.gather(at.events(begun.reply.id), at.events(begun.reply.id))
        first = [next(e for e in events if isinstance(e, Delta)) for events in (one, two)]
        assert first[0].sse is first[1].sse
        assert first[0].sse.decode() == (
            f'event: delta\nid: 1\ndata: {{"message_id":"{begun.reply.id}","seq":1,"kind":"text",'
            '"text":"a \\"quote\\"\\nand 你好"}\n\n'
        )


async def test_kinds_keep_their_order_and_their_place(bench: MakeBench) -> None:
    script: list[Step] = [
        ReasoningDelta("think "),
        ReasoningDelta("hard"),
        "say",
        ToolCallDelta(0, "id", "look", "{}"),
        " more",
        Usage(3, 4),
        Finished("length", model="really-this", revision="abc", seed=7),
    ]
    async with bench(EchoBackend(script=script)) as at:
        begun = await at.ask(text="x")
        events = await at.events(begun.reply.id)
        kinds = [e.kind for e in events if isinstance(e, Delta)]
        assert [kind for kind, _ in groupby(kinds)] == ["reasoning", "text", "tool", "text"]
        reply = at.store.message(at.owner, begun.reply.id)
        assert (reply.text, reply.reasoning, reply.finish_reason) == ("say more", "think hard", "length")
        assert reply.reasoning_seconds is not None
        origin = at.store.provenance(at.owner, reply.id)
        assert (origin.backend, origin.model, origin.model_id) == ("echo", "echo", "really-this")
        assert (origin.revision, origin.seed) == ("abc", 7)
        assert (origin.prompt_tokens, origin.completion_tokens) == (3, 4)
        assert origin.total_seconds is not None
        assert origin.first_token_seconds is not None
        assert 0 <= (origin.queued_seconds or 0) <= origin.first_token_seconds <= origin.total_seconds


async def test_a_double_click_is_one_turn(bench: MakeBench) -> None:
    async with bench(EchoBackend(rate=200)) as at:
        asks = [at.ask(text="Hello", client_key="same") for _ in range(5)]
        begun = await asyncio.gather(*asks)
        assert len({b.reply.id for b in begun}) == 1
        assert sorted(b.created for b in begun) == [False] * 4 + [True]
        ends = await asyncio.gather(*(at.end(b) for b in begun))
        assert len(set(ends)) == 1
        again = await at.ask(text="Hello", client_key="same", conversation_id=begun[0].conversation.id)
        assert not again.created
        assert again.reply.id == begun[0].reply.id


async def test_a_caller_who_leaves_does_not_leave_an_orphan(bench: MakeBench) -> None:
    async with bench() as at:
        for wait in (0.0, 0.001, 0.002, 0.004, 0.008):
            ask = asyncio.create_task(at.ask(text="Hello"))
            await asyncio.sleep(wait)
            ask.cancel()
            await asyncio.gather(ask, return_exceptions=True)
        await asyncio.sleep(0.1)
        await until(lambda: not at.turns.running(at.owner))
        assert not any(chat.running for chat in at.store.list_conversations(at.owner).items)


async def test_regenerate_edit_and_continue_take_the_same_path(bench: MakeBench) -> None:
    backend = EchoBackend()
    async with bench(backend) as at:
        first = await at.say("One")
        place = {"conversation_id": first.conversation_id}
        second = await at.end(await at.ask("regenerate", message_id=first.id, **place))
        assert second.parent_id == first.parent_id
        assert second.siblings == (first.id, second.id)
        edited = await at.ask("edit", message_id=first.parent_id, text="Two", **place)
        assert edited.user is not None
        assert edited.user.siblings == (first.parent_id, edited.user.id)
        assert (await at.end(edited)).text == "Two"
        backend._script = [" and more"]
        longer = await at.end(await at.ask("continue", message_id=first.id, **place))
        assert (longer.text, longer.continues) == ("One and more", first.id)
        assert backend.requests[-1].continue_final
        assert backend.requests[-1].messages[-1].text == "One"
        assert stored_text(at, first.id) == "One"


async def test_a_continued_reply_shows_only_what_is_new(bench: MakeBench) -> None:
    backend = EchoBackend(script=["One"])
    async with bench(backend) as at:
        first = await at.say("x")
        backend._script = [" two", " three"]
        begun = await at.ask("continue", message_id=first.id)
        assert begun.reply.text == "One"
        events = await at.events(begun.reply.id)
        assert "".join(e.text for e in events if isinstance(e, Delta)) == " two three"
        assert isinstance(events[-1], Done)
        assert events[-1].message.text == "One two three"


async def test_two_turns_of_one_conversation_do_not_mix(bench: MakeBench) -> None:
    async with bench(EchoBackend(rate=300)) as at:
        root = await at.say("Hi")
        place = {"conversation_id": root.conversation_id, "parent_id": root.id}
        one, two = await asyncio.gather(at.say("a " * 30 + "A", **place), at.say("b " * 30 + "B", **place))
        assert one.text == "a " * 30 + "A"
        assert two.text == "b " * 30 + "B"
        assert one.parent_id != two.parent_id


@pytest.mark.parametrize("after", [0.0, 0.01, 0.05, 0.1, 0.15])
async def test_stop_frees_the_model_and_keeps_the_text(bench: MakeBench, after: float) -> None:
    backend = EchoBackend(rate=20)
    async with bench(backend) as at:
        begun = await at.ask(text=WORDS)
        await asyncio.sleep(after)
        await at.turns.stop(at.owner, begun.reply.id)
        reply = await at.end(begun)
        assert reply.state == "stopped"
        assert reply.text == WORDS[: len(reply.text)]
        assert len(reply.text) < len(WORDS)
        assert backend.live == 0
        await at.turns.stop(at.owner, begun.reply.id)
        assert at.store.message(at.owner, reply.id) == reply
        backend._rate = None
        after_it = await at.say("Next", conversation_id=reply.conversation_id, parent_id=reply.id)
        assert (after_it.state, after_it.text[-4:]) == ("complete", "Next")


async def test_stop_waits_for_no_model_that_does_not_listen(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webchat.turns.generating.pipeline.CLOSE_SECONDS", 0.05)
    release = asyncio.Event()

    class Deaf(EchoBackend):
        async def stream(self, request):  # type: ignore[no-untyped-def]
            yield TextDelta("some words")
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue
            yield TextDelta(" too late")

    async with bench(Deaf()) as at:
        begun = await at.ask(text="x")
        await until(lambda: stored_text(at, begun.reply.id) != "")
        await at.turns.stop(at.owner, begun.reply.id)
        reply = await at.end(begun)
        assert (reply.state, reply.text) == ("stopped", "some words")
        release.set()
        await asyncio.sleep(0.05)
        assert stored_text(at, reply.id) == "some words"


async def test_failures_of_the_backend_are_told_and_the_words_are_kept(bench: MakeBench) -> None:
    error = RateLimited("Too many requests.", cure="Wait.", retry_after=7)
    scripts: list[tuple[list[Step], str]] = [([error], ""), (["Some ", "words", error], "Some words")]
    for script, text in scripts:
        async with bench(EchoBackend(script=script)) as at:
            begun = await at.ask(text="My question")
            reply = await at.end(begun)
            assert (reply.state, reply.text) == ("failed", text)
            assert reply.failure is not None
            assert (reply.failure.code, reply.failure.cure) == ("rate_limited", "Wait.")
            assert reply.failure.params == {"retry_after": 7}
            assert reply.failure.retryable
            assert begun.user is not None
            assert stored_text(at, begun.user.id) == "My question"


async def test_a_model_that_does_not_start_fails_the_turn_and_is_tried_again(bench: MakeBench) -> None:
    async with bench(EchoBackend(start_errors=[Unavailable("It is off.", cure="Switch it on.")])) as at:
        reply = await at.say("One")
        assert reply.failure is not None
        assert (reply.state, reply.failure.message) == ("failed", "It is off.")
        assert (await at.end(await at.ask("regenerate", message_id=reply.id))).text == "One"


async def test_loading_is_shown_while_the_model_is_on_its_way(bench: MakeBench) -> None:
    async with bench(EchoBackend(load_seconds=0.3)) as at:
        begun = await at.ask(text="Hi")
        statuses = [e for e in await at.events(begun.reply.id) if isinstance(e, Status)]
        assert statuses[0].state == "queued"
        assert any(s.loading is not None and s.loading.total == 1000 for s in statuses)
        assert statuses[-1].state == "streaming"


async def test_an_unknown_exception_shows_a_number_that_is_in_the_log(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(EchoBackend):
        async def stream(self, request):  # type: ignore[no-untyped-def]
            yield TextDelta("Some")
            raise ZeroDivisionError("secret detail")

    async with bench(Broken()) as at:
        reply = await at.say("x")
        assert (reply.state, reply.text) == ("failed", "Some")
        assert reply.failure is not None
        assert reply.failure.code == "internal_error"
        assert "secret" not in f"{reply.failure}"
        assert str(reply.failure.params["id"]) in caplog.text


async def test_a_stream_without_its_end_is_a_failure(bench: MakeBench) -> None:
    class Endless(EchoBackend):
        async def stream(self, request):  # type: ignore[no-untyped-def]
            yield TextDelta("Some")

    async with bench(Endless()) as at:
        reply = await at.say("x")
        assert (reply.state, reply.text) == ("failed", "Some")


async def test_text_no_database_takes_is_made_fit(bench: MakeBench) -> None:
    async with bench(EchoBackend(script=["a\0b ", "\ud83d\ude00", " \ud83d!"])) as at:
        reply = await at.say("q\0\ud83d")
        assert reply.text == "a\ufffdb \U0001f600 \ufffd!"
        assert stored_text(at, str(reply.parent_id)) == "q\ufffd\ufffd"


async def test_bad_asks_are_refused_and_store_nothing(bench: MakeBench) -> None:
    async with bench(message_chars=10) as at:
        reply = await at.say("Hi")
        bad: list[tuple[type[Exception], dict[str, Any]]] = [
            (EmptyMessage, {"text": " \n"}),
            (EmptyMessage, {}),
            (MessageTooLong, {"text": "x" * 11}),
            (BadAsk, {"kind": "shout", "text": "x"}),
            (BadAsk, {"text": "x", "client_key": ""}),
            (BadAsk, {"text": "x", "client_key": "k" * 65}),
            (BadAsk, {"text": "x", "parent_id": reply.id}),
            (BadAsk, {"kind": "regenerate"}),
            (BadAsk, {"kind": "continue", "message_id": reply.parent_id}),
            (BadAsk, {"kind": "edit", "message_id": reply.id, "text": "x"}),
            (UnknownModel, {"text": "x", "model": "nobody"}),
            (NotFound, {"kind": "regenerate", "message_id": "none"}),
            (NotFound, {"text": "x", "conversation_id": "none"}),
        ]
        for error, fields in bad:
            with pytest.raises(error):
                await at.ask(**fields)
        listed = at.store.list_conversations(at.owner)
        assert [c.id for c in listed.items] == [reply.conversation_id]
        assert at.turns.running(at.owner) == ()


async def test_nobody_reaches_the_turns_of_another(bench: MakeBench) -> None:
    async with bench(EchoBackend(rate=5)) as at:
        begun = await at.ask(text=WORDS)
        other = at.store.create_owner("visitor", "Eve").id
        with pytest.raises(NotFound):
            await anext(at.turns.follow(other, begun.reply.id))
        with pytest.raises(NotFound):
            await at.turns.stop(other, begun.reply.id)
        kinds: tuple[AskKind, ...] = ("regenerate", "continue")
        for kind in kinds:
            with pytest.raises(NotFound):
                await at.turns.start(other, Ask(kind, "k", message_id=begun.reply.id))
        assert at.turns.running(at.owner) == (begun.reply.id,)


async def test_an_owner_has_only_so_many_turns(bench: MakeBench) -> None:
    async with bench(EchoBackend(rate=5), most=Most(owner=2)) as at:
        begun = await asyncio.gather(*(at.ask(text=WORDS) for _ in range(5)), return_exceptions=True)
        refused = [b for b in begun if isinstance(b, TooManyTurns)]
        assert len(refused) == 3
        assert refused[0].params == {"limit": 2}
        other = at.store.create_owner("visitor", "Ann").id
        assert (await at.turns.start(other, Ask("send", "k", text="Hi"))).created
        at.turns.stop_all(at.owner)
        await until(lambda: not at.turns.running(at.owner))
        assert (await at.ask(text="Hi")).created


async def test_the_people_of_one_link_have_only_so_many_turns(bench: MakeBench) -> None:
    async with bench(EchoBackend(rate=5), most=Most(link=1, network=1)) as at:
        ann, ben, cem = (at.store.create_owner("visitor", name).id for name in ("Ann", "Ben", "Cem"))
        link, other = (at.store.create_link(name, name, None).id for name in ("one", "other"))
        assert (await at.turns.start(Party(ann, link), Ask("send", "k", text=WORDS))).created
        with pytest.raises(TooManyTurnsOfLink) as refused:
            await at.turns.start(Party(ben, link), Ask("send", "k", text="Hi"))
        assert refused.value.params == {"limit": 1}
        assert (await at.turns.start(Party(ben, other, "net"), Ask("send", "k", text=WORDS))).created
        with pytest.raises(TooManyTurnsOfNetwork):
            await at.turns.start(Party(cem, None, "net"), Ask("send", "k", text="Hi"))
        at.turns.stop_all(ann)
        await until(lambda: not at.turns.running(ann))
        assert (await at.turns.start(Party(cem, link), Ask("send", "k", text="Hi"))).created


async def test_replies_of_an_ended_link_say_that_it_was_the_link(bench: MakeBench) -> None:
    async with bench(EchoBackend(rate=5)) as at:
        guest, other = (at.store.create_owner("visitor", name).id for name in ("Ann", "Ben"))
        mine = [await at.turns.start(guest, Ask("send", f"k{n}", text=WORDS)) for n in range(2)]
        theirs = await at.turns.start(other, Ask("send", "k", text=WORDS))
        for begun in mine:
            async for event in at.turns.follow(guest, begun.reply.id):
                if isinstance(event, Delta):
                    break
        at.turns.link_ended(guest)
        await until(lambda: not at.turns.running(guest))
        for begun in mine:
            ended = at.store.message(guest, begun.reply.id)
            assert ended.text
            assert ended.failure is not None
            assert (ended.state, ended.failure.code) == ("stopped", "link_ended")
        assert at.turns.running(other) == (theirs.reply.id,)


async def test_all_owners_together_have_only_so_many_turns(bench: MakeBench) -> None:
    async with bench(EchoBackend(rate=5), most=Most(all=2)) as at:
        other = at.store.create_owner("visitor", "Ann").id
        await at.ask(text=WORDS)
        kept = Ask("send", "k", text=WORDS)
        begun = await at.turns.start(other, kept)
        for owner in (at.owner, other):
            with pytest.raises(ServerBusy):
                await at.turns.start(owner, Ask("send", "another", text="Hi"))
        assert (await at.turns.start(other, kept)).reply.id == begun.reply.id
        at.turns.stop_all(other)
        await until(lambda: not at.turns.running(other))
        assert (await at.ask(text="Hi")).created


async def test_a_reply_being_written_cannot_be_built_on(bench: MakeBench) -> None:
    async with bench(EchoBackend(rate=5)) as at:
        begun = await at.ask(text=WORDS)
        place = {"conversation_id": begun.conversation.id}
        with pytest.raises(StillRunning):
            await at.ask(text="x", parent_id=begun.reply.id, **place)
        with pytest.raises(StillRunning):
            await at.ask("continue", message_id=begun.reply.id, **place)


async def test_the_model_asked_for_is_the_one_that_answers(bench: MakeBench) -> None:
    one, two = EchoBackend("one", script=["1"]), EchoBackend("two", script=["2"])
    async with bench(one, two) as at:
        default = await at.say("x")
        assert (default.text, default.model) == ("1", "one")
        chosen = await at.say("x", settings=ConversationSettings(model="two"))
        assert (chosen.text, chosen.model) == ("2", "two")
        again = await at.end(await at.ask("regenerate", message_id=chosen.id))
        assert again.text == "2"
        other = await at.end(await at.ask("regenerate", message_id=chosen.id, model="one"))
        assert (other.text, other.model) == ("1", "one")


async def test_a_reply_is_made_with_the_settings_of_its_ask_and_the_conversation_keeps_them(
    bench: MakeBench,
) -> None:
    heard: list[Request] = []

    class Hearing(EchoBackend):
        def stream(self, request: Request) -> AsyncGenerator[Event]:
            heard.append(request)
            return super().stream(request)

    async with bench(Hearing()) as at:
        first = await at.ask(text="x", settings=ConversationSettings(system_prompt="Be brief."))
        assert first.user is not None
        await at.end(first)
        place = {"conversation_id": first.conversation.id, "parent_id": first.reply.id}
        asks: list[dict[str, Any]] = [
            {"kind": "send", "text": "y", **place},
            {"kind": "regenerate", "message_id": first.reply.id},
            {"kind": "continue", "message_id": first.reply.id},
            {"kind": "edit", "text": "z", "message_id": first.user.id},
        ]
        for seed, ask in enumerate(asks):
            chosen = ConversationSettings(system_prompt=f"Rhyme {seed}.", sampling=Sampling(seed=seed))
            begun = await at.ask(**ask, settings=chosen)
            await at.end(begun)
            # The model stays the one it was begun with: none was chosen.
            kept = replace(chosen, model=first.conversation.settings.model)
            assert begun.conversation.settings == kept, ask["kind"]
            assert heard[-1].sampling.seed == seed
            assert heard[-1].messages[0].text == f"Rhyme {seed}."
        left = await at.ask(text="w", **place)
        assert left.conversation.settings == kept
        await at.end(left)


async def test_a_retry_does_not_bring_old_settings_back(bench: MakeBench) -> None:
    async with bench(EchoBackend()) as at:
        first = await at.ask(text="x")
        await at.end(first)
        again: dict[str, Any] = {
            "text": "y", "client_key": "k", "conversation_id": first.conversation.id,
            "parent_id": first.reply.id, "settings": ConversationSettings(system_prompt="Old."),
        }  # fmt: skip
        await at.end(await at.ask(**again))
        newer = ConversationSettings(system_prompt="Newer.")
        at.store.update_conversation(at.owner, first.conversation.id, settings=newer)
        retried = await at.ask(**again)
        assert not retried.created
        assert retried.conversation.settings == newer


async def test_an_end_of_the_server_lets_turns_finish_for_a_while(bench: MakeBench) -> None:
    async with bench(EchoBackend(rate=400)) as at:
        begun = await at.ask(text=WORDS)
        closing = asyncio.create_task(at.turns.aclose(5.0))
        await asyncio.sleep(0.01)
        assert not at.turns.accepting
        with pytest.raises(NotAccepting):
            await at.ask(text="late")
        await closing
        assert at.store.message(at.owner, begun.reply.id).state == "complete"
        assert stored_text(at, begun.reply.id) == WORDS


async def test_what_is_not_finished_then_is_interrupted_with_its_text(bench: MakeBench) -> None:
    backend = EchoBackend(script=["Some ", "words", Delay(60)])
    async with bench(backend) as at:
        begun = await at.ask(text="x")
        follower = asyncio.create_task(at.events(begun.reply.id))
        await until(lambda: stored_text(at, begun.reply.id) == "Some words")
        await at.turns.aclose(0.05)
        reply = at.store.message(at.owner, begun.reply.id)
        assert (reply.state, reply.text) == ("interrupted", "Some words")
        assert (await follower)[-1] == Done(reply)
        assert backend.live == 0
