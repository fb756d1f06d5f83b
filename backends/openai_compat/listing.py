"""Reads an endpoint's list of models, in whatever form it comes: pure functions.

Source: the answers of OpenAI, OpenRouter, Mistral, Together, LM Studio, Ollama, vLLM, llama.cpp, LiteLLM,
Xinference, Infinity and Azure to `GET /models`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from backends.markers.thinking import storable
from backends.openai_compat.limits import ID_CHARS, MODELS, NAME_CHARS

_KINDS = ("type", "model_type", "task", "pipeline_tag", "mode", "sub_type", "model_ability", "endpoints")
"""Fields that say what a model is for; some hold one word, some a list, some an object with a name."""

_CHATS = re.compile(
    r"chat|llm|vlm|language|text.?generation|text.to.text|generate|conversation|instruct|completion|response",
    re.I,
)
_OTHER = re.compile(
    r"embed|rank|similar|score|feature.?extraction|classif|moderat|guard|transcri|speech|\btts\b|\bstt\b|\basr\b"
    r"|audio|voice|image|video|diffusion|ocr|detect|segment|fill.?mask|pooling|reward",
    re.I,
)
_SEES = re.compile(r"image.text.to.text|vision|multimodal", re.I)

_OTHER_ID = re.compile(
    r"embed|rerank|whisper|moderation|transcribe|diffusion|dall-?e|realtime"
    r"|(^|[-_/:.])(bge|gte|e5|tts|stt|asr|sdxl|flux|sora|imagen|veo|gpt-image|davinci|babbage)([-_/:.\d]|$)"
    r"|(^|[-_/:.\d])guard([-_/:.\d]|$)|guardian|shieldgemma",
    re.I,
)
"""What ids of models that do not chat are like. A last resort: only where nothing else tells."""


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """One entry of an endpoint's list of models. `context_length` in tokens.

    server: `owned_by`, by which llama.cpp, vLLM and SGLang can be recognized. chat: whether it is a chat
    model, as far as can be told, rather than one for embeddings, speech, images and the like.
    """

    id: str
    server: str = ""
    context_length: int | None = None
    images: bool = False
    chat: bool = True


def models_in(listing: object) -> tuple[RemoteModel, ...] | None:
    """The models in an answer's JSON, in its order; `None` if it is not a list of models.

    A model excluded from chat by its id alone is included if no other is left.
    """
    rows = _rows(listing)
    if rows is None:
        return None
    found: list[tuple[RemoteModel, bool | None]] = []
    for row in rows[:MODELS]:
        row = {"id": row} if isinstance(row, str) else row
        name = _id(row) if isinstance(row, dict) else ""
        # A name that is no line of text would forge lines of logs, and marks of pages.
        if 0 < len(name) <= ID_CHARS and name.isprintable():
            found.append((_model(name, row), chats(row)))
    guessed = [(model, not _OTHER_ID.search(model.id) if told is None else told) for model, told in found]
    if not any(chat for _, chat in guessed):
        guessed = [(model, told is None) for model, told in found]
    return tuple(replace(model, chat=chat) for model, chat in guessed)


def _rows(listing: Any) -> list[Any] | None:
    """`{"data": [...]}`, `{"models": [...]}` (Ollama, and llama.cpp beside `data`), a bare list, and each
    inside a `data`."""
    if isinstance(listing, list):
        return listing
    if not isinstance(listing, dict) or not listing.keys() & {"data", "models"}:
        return None
    if isinstance(listing.get("data"), dict):
        listing = listing["data"]
        if not listing.keys() & {"data", "models"}:
            return None
    data, models = listing.get("data"), listing.get("models")
    if data is None and models is None:  # as Go writes an empty list
        return []
    if not isinstance(data, list) or not data:
        return models if isinstance(models, list) else data if isinstance(data, list) else None
    beside = {_id(row): row for row in (models if isinstance(models, list) else ()) if isinstance(row, dict)}
    return [{**beside.get(_id(row), {}), **row} if isinstance(row, dict) else row for row in data]


def _id(row: Mapping[str, Any]) -> str:
    found = next((row[name] for name in ("id", "model", "name") if isinstance(row.get(name), str)), "")
    return storable(found)


def _model(name: str, row: Mapping[str, object]) -> RemoteModel:
    meta = row.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    lengths = (
        row.get("max_model_len"),
        meta.get("n_ctx"),
        row.get("context_length"),
        row.get("context_window"),
        row.get("max_context_length"),
    )
    server = row.get("owned_by")
    inputs, _ = _modalities(row)
    return RemoteModel(
        name,
        storable(server[:NAME_CHARS].lower()) if isinstance(server, str) else "",
        next((n for n in lengths if type(n) is int and 0 < n < 2**31), None),
        inputs is not None and "image" in inputs,
    )


def chats(row: Mapping[str, object]) -> bool | None:
    """Whether an entry says that its model chats; `None` if it says nothing about that."""
    told = [word for field in _KINDS for word in _words(row.get(field))]
    capabilities = row.get("capabilities")
    if isinstance(capabilities, dict):
        flags = [value for name, value in capabilities.items() if "chat" in name and isinstance(value, bool)]
        if flags:
            return any(flags)
    told += _words(capabilities)
    if isinstance(flag := row.get("supports_chat"), bool):
        return flag
    if any(_SEES.search(word) or (_CHATS.search(word) and not _OTHER.search(word)) for word in told):
        return True
    if any(_OTHER.search(word) for word in told):
        return False
    inputs, outputs = _modalities(row)
    if inputs is None and outputs is None:
        return None
    return all(words is None or "text" in words for words in (inputs, outputs))


def _words(value: object) -> Iterator[str]:
    """The words in a field: a string, a list of strings, the keys that an object sets to true, or its
    `name`."""
    match value:
        case str():
            yield value[:NAME_CHARS]
        case list():
            yield from (word[:NAME_CHARS] for word in value if isinstance(word, str))
        case {"name": str(name)}:
            yield name[:NAME_CHARS]
        case dict():
            yield from (str(name)[:NAME_CHARS] for name, set_ in value.items() if set_ is True)


def _modalities(row: Mapping[str, object]) -> tuple[list[str] | None, list[str] | None]:
    """Input and output modalities, `None` if not stated."""
    for place in (row.get("architecture"), row.get("modalities"), row):
        if not isinstance(place, dict):
            continue
        inputs = place.get("input_modalities", place.get("input"))
        outputs = place.get("output_modalities", place.get("output"))
        modality = place.get("modality")
        if isinstance(modality, str) and "->" in modality:
            before, _, behind = modality.partition("->")
            inputs, outputs = inputs or before.split("+"), outputs or behind.split("+")
        if isinstance(inputs, list) or isinstance(outputs, list):
            return _texts(inputs), _texts(outputs)
    return None, None


def _texts(value: object) -> list[str] | None:
    if not isinstance(value, list):
        return None
    return [word.strip().lower() for word in value if isinstance(word, str)]
