"""What the model was sent for a reply: as stored at the time, never reconstructed. It is stored as soon as it
is sent, so it also exists for replies that are running, failed or were cut off."""

from __future__ import annotations

from collections.abc import Sequence

from webchat.api.errors import not_found
from webchat.api.parts import parts_of
from webchat.api.reading import Caller, PathId
from webchat.api.services import Services
from webchat.api.wire.hidden import hidden_prompts, without
from webchat.api.wire.inspection import ChatTemplateUse, Cut, Inspection, TemplatesUsed, Tokens, Why
from webchat.store import ComparisonOpen
from webchat.store.records import Inspection as Sent
from webchat.store.records import Message, Owner, Provenance
from webchat.turns.inspecting.snippets import curl_of, python_of


class Inspect:
    def __init__(self, services: Services) -> None:
        self._store = services.store

    async def look(self, owner: Caller, id: PathId) -> Inspection:
        """What the model was sent for a reply. 404 for guests whose link does not show it, and 409 until the
        vote on a comparison."""
        if not owner.terms.shows_inspect:
            raise not_found()
        message = await self._store.call(self._store.message, owner.id, id)
        if message.compared is not None:
            raise ComparisonOpen
        sent = await self._store.call(self._store.inspection, owner.id, id)
        provenance = await self._store.call(self._store.provenance, owner.id, id)
        of = await self._store.call(self._store.conversation, owner.id, message.conversation_id)
        why = None if sent is not None else why_nothing(message, provenance)
        hidden = hidden_prompts(provenance, of.settings, owner)
        return inspection(id, why, sent or Sent(), provenance, owner, hidden)


def why_nothing(message: Message, provenance: Provenance) -> Why:
    """Why there is no record of what a message's model was sent.

    `running`: not sent, or not stored, yet. `person`: a person wrote it. `off`: recording was switched off at
    the time. `unsent`: the reply ended before its model was asked. `restart`: the server stopped before it
    was stored. `unrecorded`: unknown.
    """
    if message.running:
        return "running"
    if message.role != "assistant" or message.author_id is not None:
        return "person"
    if provenance.details.get("inspect") == "off":
        return "off"
    ended = provenance.total_seconds is not None
    if ended and provenance.queued_seconds is None and message.state != "complete":
        return "unsent"
    return "restart" if not ended and message.state == "interrupted" else "unrecorded"


def inspection(
    message_id: str,
    why: Why | None,
    sent: Sent,
    provenance: Provenance,
    reader: Owner,
    hidden: Sequence[str] = (),
) -> Inspection:
    """Only operators see where a model runs and the request to repeat there. hidden: texts the reader must
    not see, nor the tokens of a text that contains one."""
    operator = reader.operates
    local = sent.rendered is not None
    tokens = local and not hidden
    details = provenance.details
    masked = details.get("masked") or ()
    return Inspection.of(
        {
            "message_id": message_id,
            "why": why,
            "kind": "local" if local else "endpoint" if sent.body is not None else None,
            "messages": [
                {
                    "role": message["role"],
                    "content": without(message["content"], hidden),
                    "message_id": message["id"],
                    "tool_calls": message.get("tool_calls") or (),
                    "tool_call_id": message.get("tool_call_id"),
                }
                for message in sent.messages
            ],
            "rendered": without(sent.rendered, hidden),
            "tokens": Tokens(ids=sent.token_ids, pieces=sent.pieces) if tokens else None,
            "parts": parts_of(sent.rendered or "", sent.pieces, sent.messages) if tokens else None,
            "body": None if sent.body is None else without(dict(sent.body), hidden),
            "url": sent.url if operator else None,
            "cut": _cut(provenance),
            "masked": masked,
            "masked_count": details.get("masked_count", len(masked)),
            "templates": TemplatesUsed.of(
                {
                    "persona": details.get("persona") if reader.terms.system_prompt else None,
                    "user": details.get("user_template"),
                    "chat": _chat(sent, provenance),
                }
            ),
            "curl": curl_of(sent, provenance) if operator else None,
            "python": python_of(sent, provenance) if operator else None,
        }
    )


def _cut(provenance: Provenance) -> Cut | None:
    left_out = provenance.details.get("left_out")
    return Cut(left_out=left_out, first_sent=provenance.details.get("first_sent")) if left_out else None


def _chat(sent: Sent, provenance: Provenance) -> ChatTemplateUse | None:
    """The chat template's source, and its number where the operator gave it (`override/3`)."""
    name = sent.template or provenance.details.get("chat_template")
    if not name:
        return None
    source, _, number = str(name).partition("/")
    if source == "override" and number.isdigit():
        return ChatTemplateUse(source=source, number=int(number))
    return ChatTemplateUse(source=str(name), number=None)
