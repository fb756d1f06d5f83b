"""What the model was sent for a reply: as it was stored then, never made again. It is kept from the moment it
is sent, so also of a reply that runs, failed or was cut off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from webchat.api.hidden import hidden_prompts, without
from webchat.api.parts import parts_of
from webchat.api.reading import id_of, json_answer, owner_of
from webchat.api.replay import curl_of, python_of
from webchat.api.services import Services
from webchat.store.records import Inspection, Message, Owner, Provenance

Json = dict[str, Any]


class Inspect:
    def __init__(self, services: Services) -> None:
        self._store = services.store

    async def look(self, request: Request) -> Response:
        owner, wanted = owner_of(request), id_of(request)
        message = await self._store.call(self._store.message, owner.id, wanted)
        sent = await self._store.call(self._store.inspection, owner.id, wanted)
        provenance = await self._store.call(self._store.provenance, owner.id, wanted)
        of = await self._store.call(self._store.conversation, owner.id, message.conversation_id)
        why = None if sent is not None else why_nothing(message, provenance)
        hidden = hidden_prompts(provenance, of.settings, owner)
        found = inspection_json(sent or Inspection(), provenance, owner, hidden)
        return json_answer({"message_id": wanted, "why": why, **found})


def why_nothing(message: Message, provenance: Provenance) -> str:
    """Why there is nothing to see of what a message's model was sent.

    `running`: it has not been sent, or not been kept, yet. `person`: a person wrote it. `off`: keeping it was
    switched off then. `unsent`: the reply ended before its model was asked. `restart`: the server ended
    before it was kept. `unrecorded`: nothing is known.
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


def inspection_json(
    sent: Inspection, provenance: Provenance, reader: Owner, hidden: Sequence[str] = ()
) -> Json:
    """Where a model answers, and the request to make again there, are for operators. hidden: texts that are
    not for the reader; neither are the tokens of a text with one of them."""
    operator = reader.operates
    local = sent.rendered is not None
    tokens = local and not hidden
    details = provenance.details
    masked = list(details.get("masked") or ())
    return {
        "kind": "local" if local else "endpoint" if sent.body is not None else None,
        "messages": [
            {
                "role": message["role"],
                "content": without(message["content"], hidden),
                "message_id": message["id"],
            }
            for message in sent.messages
        ],
        "rendered": without(sent.rendered, hidden),
        "tokens": {"ids": list(sent.token_ids), "pieces": list(sent.pieces)} if tokens else None,
        "parts": parts_of(sent.rendered or "", sent.pieces, sent.messages) if tokens else None,
        "body": None if sent.body is None else without(dict(sent.body), hidden),
        "url": sent.url if operator else None,
        "cut": _cut(provenance),
        "masked": masked,
        "masked_count": details.get("masked_count", len(masked)),
        "templates": {
            "persona": details.get("persona"),
            "user": details.get("user_template"),
            "chat": _chat(sent, provenance),
        },
        "curl": curl_of(sent, provenance) if operator else None,
        "python": python_of(sent, provenance) if operator else None,
    }


def _cut(provenance: Provenance) -> Json | None:
    left_out = provenance.details.get("left_out")
    return {"left_out": left_out, "first_sent": provenance.details.get("first_sent")} if left_out else None


def _chat(sent: Inspection, provenance: Provenance) -> Json | None:
    """The chat template's source, and its number where the operator gave it (`override/3`)."""
    name = sent.template or provenance.details.get("chat_template")
    if not name:
        return None
    source, _, number = str(name).partition("/")
    if source == "override" and number.isdigit():
        return {"source": source, "number": int(number)}
    return {"source": str(name), "number": None}
