"""A turn whose conversation is too long for its model: cut and answered, or refused, as the setting says."""

from __future__ import annotations

from backends.echo import EchoBackend
from backends.errors import ContextTooLong
from backends.types import Request
from tests.turns.conftest import Bench, MakeBench
from webchat.store.records import Message

WORDS = "one two three four five six seven eight nine ten"


async def talk(at: Bench, turns: int) -> list[Message]:
    """A conversation of so many turns; its replies."""
    replies = [await at.say(WORDS)]
    for _ in range(turns - 1):
        before = replies[-1]
        place = {"conversation_id": before.conversation_id, "parent_id": before.id}
        replies.append(await at.say(WORDS, **place))
    return replies


async def test_the_oldest_turns_are_left_out_and_the_reply_says_so(bench: MakeBench) -> None:
    backend = EchoBackend(context_length=60)
    async with bench(backend, names=False) as at:
        replies = await talk(at, 8)
        assert {reply.state for reply in replies} == {"complete"}
        assert {reply.text for reply in replies} == {WORDS}
        left_out = [at.store.provenance(at.owner, reply.id).details.get("left_out", 0) for reply in replies]
        assert left_out[0] == 0
        assert left_out[-1] > 0
        assert left_out == sorted(left_out)
        last = at.store.message(at.owner, replies[-1].id)
        path = at.store.path(at.owner, last.id)
        assert last.first_sent == path[left_out[-1]].id
        assert last.prompt_tokens is not None
        assert last.completion_tokens is not None
    for request in backend.requests[-1:]:
        assert request.messages[0].role == "user"
        assert len(request.messages) < 15


async def test_it_is_refused_where_that_is_wanted(bench: MakeBench) -> None:
    async with bench(EchoBackend(context_length=60), names=False, cuts=False) as at:
        replies = await talk(at, 5)
        assert replies[-1].state == "failed"
        assert replies[-1].failure is not None
        assert replies[-1].failure.code == "context_too_long"


async def test_a_message_that_is_too_long_by_itself_is_refused_with_its_numbers(bench: MakeBench) -> None:
    async with bench(EchoBackend(context_length=5), names=False) as at:
        reply = await at.say(WORDS)
        assert reply.state == "failed"
        assert reply.failure is not None
        assert reply.failure.params["limit"] == 5


async def test_an_endpoint_that_tells_no_numbers_is_asked_again_with_less(bench: MakeBench) -> None:
    def script(request: Request) -> list[str | ContextTooLong]:
        return ["fine"] if len(request.messages) <= 3 else [ContextTooLong("Too long.")]

    backend = EchoBackend(script=script)
    async with bench(backend, names=False) as at:
        replies = await talk(at, 4)
        assert [reply.state for reply in replies] == ["complete"] * 4
        assert replies[-1].text == "fine"


async def test_a_reply_is_learned_whole_so_what_fits_is_not_cut(bench: MakeBench) -> None:
    class Endpoint(EchoBackend):
        """Its tokens are told by its usage only."""

        async def count(self, request: Request) -> None:  # type: ignore[override]
            return None

    # All of a reply comes within one flush, so that nothing of it is committed when its model has ended.
    backend = Endpoint(script=[f"word{n % 10} " for n in range(500)], context_length=1000)
    async with bench(backend, names=False, flush_seconds=60.0) as at:
        replies = await talk(at, 2)
        details = [at.store.provenance(at.owner, reply.id).details for reply in replies]
        assert [each.get("left_out", 0) for each in details] == [0, 0]
