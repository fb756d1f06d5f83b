"""From records to the JSON of the HTTP API: pure functions, one per shape."""

from __future__ import annotations

import time
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from backends.base import LoadProgress
from backends.types import Sampling
from webchat.api.hidden import hidden_prompts, without
from webchat.auth.failures import failure_json
from webchat.models import ModelInfo, Models
from webchat.store.records import (
    Conversation,
    ConversationSettings,
    ListedConversation,
    Message,
    MovableChats,
    Owner,
    Page,
    Provenance,
    SearchHit,
    TrashItem,
)
from webchat.turns import Wait
from webchat.turns.errors import failure_of

Json = dict[str, Any]

SAMPLING_FIELDS = tuple(field.name for field in fields(Sampling))


def time_json(at: datetime | None) -> str | None:
    """ISO 8601 in UTC, with microseconds and `Z`, so that texts sort as times do."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def owner_json(owner: Owner) -> Json:
    return {"id": owner.id, "kind": owner.kind, "name": owner.name}


def movable_json(found: MovableChats) -> Json:
    giver = found.giver
    return {"giver": giver.id, "kind": giver.kind, "since": time_json(giver.created_at), "chats": found.chats}


def sampling_json(sampling: Sampling) -> Json:
    """Only what was chosen; a field left out is the model's own default."""
    chosen = {name: getattr(sampling, name) for name in SAMPLING_FIELDS}
    return {
        name: list(value) if name == "stop" else value
        for name, value in chosen.items()
        if value is not None and value != ()
    }


def settings_json(settings: ConversationSettings) -> Json:
    persona = settings.persona
    return {
        "model": settings.model,
        "system_prompt": settings.system_prompt,
        "sampling": sampling_json(settings.sampling),
        "persona": None if persona is None else {**persona.named, "values": dict(persona.values)},
    }


def conversation_json(conversation: Conversation) -> Json:
    return {**listed_json(conversation), "settings": settings_json(conversation.settings)}


def listed_json(conversation: ListedConversation) -> Json:
    return {
        "id": conversation.id,
        "title": conversation.title,
        "title_by": conversation.title_by,
        "pinned": conversation.pinned,
        "archived": conversation.archived,
        "created_at": time_json(conversation.created_at),
        "updated_at": time_json(conversation.updated_at),
        "active_leaf_id": conversation.active_leaf_id,
        "running": conversation.running,
    }


def trash_json(item: TrashItem, keeps: timedelta) -> Json:
    """keeps: from the deletion until it ends for good."""
    return {
        "kind": item.kind,
        "id": item.id,
        "conversation_id": item.conversation_id,
        "title": item.title,
        "deleted_at": time_json(item.deleted_at),
        "ends_at": time_json(item.deleted_at + keeps),
        "role": item.role,
        "excerpt": item.excerpt,
        "count": item.count,
    }


def message_json(message: Message, reader: Owner) -> Json:
    return {
        "id": message.id,
        "conversation_id": message.conversation_id,
        "parent_id": message.parent_id,
        "role": message.role,
        "author_id": message.author_id,
        "text": message.text,
        "reasoning": message.reasoning,
        "state": message.state,
        "created_at": time_json(message.created_at),
        "finished_at": time_json(message.finished_at),
        "finish_reason": message.finish_reason,
        "failure": failure_json(message.failure, reader),
        "model": message.model,
        "continues": message.continues,
        "reasoning_seconds": message.reasoning_seconds,
        "rating": message.rating,
        "seq": message.seq,
        "siblings": list(message.siblings),
        "prompt_tokens": message.prompt_tokens,
        "completion_tokens": message.completion_tokens,
        "first_sent": message.first_sent,
        "masked": message.masked,
        "template": None if message.template is None else message.template.named,
    }


def thread_json(conversation: Conversation, page: Page[Message], reader: Owner) -> Json:
    return {
        "conversation": conversation_json(conversation),
        "messages": [message_json(message, reader) for message in page.items],
        "older": page.next,
    }


def provenance_json(provenance: Provenance, settings: ConversationSettings, reader: Owner) -> Json:
    """settings: of its conversation."""
    whole = asdict(provenance)
    if not reader.operates:
        whole |= {name: _base(whole[name]) for name in ("model_id", "adapter")}
    whole["sampling"] = sampling_json(provenance.sampling)
    whole["prompt"] = without(
        [dict(message) for message in provenance.prompt], hidden_prompts(provenance, settings, reader)
    )
    whole["details"] = dict(provenance.details)
    return whole


def _base(name: str | None) -> str | None:
    """Of a path of this server the last name; the id of a model anywhere else is left as it is."""
    if name is None or not name.startswith(("/", "~", "./", "../")):
        return name
    return PurePosixPath(name).name


def hit_json(hit: SearchHit) -> Json:
    return {
        "conversation_id": hit.conversation_id,
        "message_id": hit.message_id,
        "title": hit.title,
        "snippet": hit.snippet,
        "ranges": [list(span) for span in hit.ranges],
        "at": time_json(hit.at),
    }


def progress_json(progress: LoadProgress | None, eta_seconds: float | None) -> Json | None:
    if progress is None:
        return None
    return {
        "phase": progress.phase,
        "done": progress.done,
        "total": progress.total,
        "eta_seconds": None if eta_seconds is None else round(eta_seconds, 1),
    }


def queue_json(place: int | None, wait_seconds: float | None) -> Json | None:
    if place is None:
        return None
    return {"place": place, "eta_seconds": None if wait_seconds is None else round(wait_seconds, 1)}


def wait_json(wait: Wait | None) -> Json | None:
    """Durations from now on, in ms: clocks of browsers differ. `retry_in_ms` 0: it is being asked again."""
    if wait is None:
        return None
    now = time.monotonic()
    retry_in = None if wait.retry_at is None else max(0, round(1000 * (wait.retry_at - now)))
    return {
        "reason": wait.reason,
        "since_ms": max(0, round(1000 * (now - wait.since))),
        "retry_in_ms": retry_in,
        "attempt": wait.attempt,
    }


def model_json(info: ModelInfo, reader: Owner) -> Json:
    takes = info.capabilities
    return {
        "key": info.key,
        "name": info.name,
        "source": info.source if reader.operates else None,
        "kind": info.kind,
        "status": info.status,
        "progress": progress_json(info.progress, info.eta_seconds),
        "failure": None if info.failure is None else failure_json(failure_of(info.failure), reader),
        "system_prompt": info.system_prompt if reader.operates else None,
        "sampling": sampling_json(info.sampling),
        "takes": [name for name in SAMPLING_FIELDS if takes is None or name in takes.sampling],
        "images": takes is not None and takes.images,
        "context_length": None if takes is None else takes.context_length,
        "in_process": info.in_process,
        "load_seconds": None if info.load_seconds is None else round(info.load_seconds, 1),
        "remote": info.remote,
        "unlisted": info.unlisted,
        "missing": info.missing,
    }


def models_json(models: Models, reader: Owner, wanted: str = "") -> Json:
    """wanted: a key or a name, of which is told what it means."""
    return {
        "models": [model_json(info, reader) for info in models.infos()],
        "default": models.default,
        "wanted": model_json(models.info(wanted), reader) if wanted else None,
    }
