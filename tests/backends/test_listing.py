"""Lists of models: what servers of all kinds answer, read as people would."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import AuthFailed, BackendError, BadResponse, ModelNotFound
from backends.openai_compat import OpenAICompatBackend, list_models
from backends.openai_compat.listing import chats, models_in
from backends.options import EndpointOptions
from tests.backends.hostile_server import Answer, HostileServer, status
from tests.llama_server import LlamaServer

OPENAI = ["text-embedding-3-small", "whisper-1", "tts-1", "dall-e-3", "gpt-4o-mini"]


def offered(listing: Any) -> list[str]:
    models = models_in(listing)
    assert models is not None
    return [model.id for model in models if model.chat]


def rows(*names: str, **told: Any) -> list[dict[str, Any]]:
    return [{"id": name, **told} for name in names]


@pytest.mark.parametrize(
    ("listing", "names"),
    [
        ({"object": "list", "data": rows("a", "b")}, ["a", "b"]),
        ({"object": "list", "data": None}, []),
        ({"object": "list", "data": []}, []),
        ({"data": None, "models": None}, []),
        ({"data": None, "object": "list", "has_more": False}, []),
        ([], []),
        (rows("a"), ["a"]),
        (["a", "b"], ["a", "b"]),
        ({"models": [{"name": "a:latest", "model": "a:latest"}]}, ["a:latest"]),
        ({"models": [{"name": "a:latest"}]}, ["a:latest"]),
        ({"object": "list", "models": rows("a")}, ["a"]),
        ({"models": ["a"]}, ["a"]),
        ({"data": [], "models": rows("a")}, ["a"]),
        ({"data": {"models": rows("a")}}, ["a"]),
        ({"data": {"data": rows("a")}, "success": True}, ["a"]),
        ({"data": rows("a"), "message": "success", "code": 0}, ["a"]),
        ({"data": [None, 5, {"id": 5}, {"id": ""}, {}, {"id": "a"}]}, ["a"]),
    ],
)
def test_every_shape_of_a_list_is_read(listing: Any, names: list[str]) -> None:
    assert offered(listing) == names


@pytest.mark.parametrize(
    "listing", [{}, None, 5, "a", True, {"data": "a"}, {"data": {"a": {}}}, {"object": "list"}, {"models": 5}]
)
def test_what_is_no_list_is_told_apart_from_an_empty_one(listing: Any) -> None:
    assert models_in(listing) is None


@pytest.mark.parametrize(
    ("told", "chat"),
    [
        ({"type": "llm"}, True),  # LM Studio
        ({"type": "vlm"}, True),
        ({"type": "embeddings"}, False),
        ({"type": "chat"}, True),  # Together
        ({"type": "language"}, True),
        ({"type": "image"}, False),
        ({"type": "moderation"}, False),
        ({"type": "rerank"}, False),
        ({"type": "transcribe"}, False),
        ({"type": "model"}, None),  # Anthropic
        ({"task": "chat-completion"}, True),  # GitHub
        ({"task": "embeddings"}, False),
        ({"task": {"id": "x", "name": "Text Generation"}}, True),  # Cloudflare
        ({"task": {"id": "x", "name": "Automatic Speech Recognition"}}, False),
        ({"pipeline_tag": "text-generation"}, True),  # the hub
        ({"pipeline_tag": "image-text-to-text"}, True),
        ({"pipeline_tag": "text-to-image"}, False),
        ({"pipeline_tag": "feature-extraction"}, False),
        ({"pipeline_tag": "sentence-similarity"}, False),
        ({"mode": "chat"}, True),  # LiteLLM
        ({"mode": "image_generation"}, False),
        ({"mode": "audio_transcription"}, False),
        ({"model_type": "LLM", "model_ability": ["chat", "vision"]}, True),  # Xinference
        ({"model_type": "rerank"}, False),
        ({"capabilities": ["completion", "tools"]}, True),  # Ollama, llama.cpp
        ({"capabilities": ["embedding"]}, False),
        ({"capabilities": ["embed"]}, False),  # Infinity
        ({"capabilities": ["rerank"]}, False),
        ({"capabilities": {"completion_chat": True, "vision": False}}, True),  # Mistral
        ({"capabilities": {"completion_chat": False, "completion_fim": True}}, False),
        ({"capabilities": {"chat_completion": False, "embeddings": True}}, False),  # Azure
        ({"endpoints": ["chat", "generate"]}, True),  # Cohere
        ({"endpoints": ["embed"]}, False),
        ({"supports_chat": False}, False),  # Fireworks
        ({"architecture": {"modality": "text+image->text"}}, True),  # OpenRouter
        ({"architecture": {"modality": "text->embeddings"}}, False),
        ({"architecture": {"input_modalities": ["text"], "output_modalities": ["image"]}}, False),
        ({"architecture": {"input_modalities": ["text"], "output_modalities": ["text", "image"]}}, True),
        ({"architecture": {"input_modalities": ["audio"], "output_modalities": ["text"]}}, False),
        ({"modalities": {"input": ["text"], "output": ["audio"]}}, False),
        ({"input_modalities": ["text"], "output_modalities": ["text"]}, True),
        ({"owned_by": "vllm", "max_model_len": 4096}, None),
        ({"type": None, "capabilities": None, "architecture": "x", "modalities": ["text"]}, None),
    ],
)
def test_what_servers_tell_of_a_model_decides(told: dict[str, Any], chat: bool | None) -> None:
    assert chats({"id": "m", **told}) is chat


@pytest.mark.parametrize(
    "name",
    [
        *OPENAI[:4],
        "text-embedding-ada-002",
        "nomic-embed-text:latest",
        "BAAI/bge-m3",
        "intfloat/e5-large-v2",
        "jina-reranker-v2",
        "omni-moderation-latest",
        "gpt-4o-transcribe",
        "gpt-4o-realtime-preview",
        "gpt-image-1",
        "stable-diffusion-xl",
        "black-forest-labs/flux-schnell",
        "meta-llama/Llama-Guard-3-8B",
        "google/shieldgemma-2b",
        "ibm/granite-guardian-3",
        "Qwen3Guard-Gen-4B",
        "davinci-002",
        "sora-2",
        "imagen-4.0",
    ],
)
def test_where_nothing_is_told_the_id_is_looked_at(name: str) -> None:
    assert offered({"data": rows(name, "gpt-4o-mini")}) == ["gpt-4o-mini"]
    assert offered({"data": rows(name)}) == [name], "never the last one"
    assert name in offered({"data": rows(name, "b", type="chat")}), "what is told counts more"


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4o",
        "Qwen/Qwen3-4B",
        "vanguard-7b",
        "mistral-large",
        "fluxional",
        "command-r",
        "e5x",
        "bgem",
        "模型",
    ],
)
def test_ids_of_models_that_chat_are_left_in(name: str) -> None:
    assert offered({"data": rows("text-embedding-3-small", name)}) == [name]


def test_where_all_are_told_to_be_something_else_none_is_offered() -> None:
    assert offered({"data": rows("a", "b", type="embedding")}) == []
    assert offered({"data": [*rows("a", type="embedding"), *rows("whisper-1")]}) == ["whisper-1"]


def test_what_llama_cpp_says_beside_its_list_is_read_with_it() -> None:
    listing = {
        "models": [{"name": "m", "model": "m", "capabilities": ["embedding"]}],
        "data": [{"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx": 512}}],
    }
    (model,) = models_in(listing) or ()
    assert (model.server, model.context_length, model.chat) == ("llamacpp", 512, False)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["data", "models", "id", "name", "type", "capabilities", "architecture"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_a_list_or_none(listing: Any) -> None:
    models = models_in(listing)
    assert models is None or all(model.id for model in models)


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (status(404), ModelNotFound, "does not list models at this address"),
        (status(405), ModelNotFound, "does not list models at this address"),
        (status(501), ModelNotFound, "does not list models at this address"),
        (status(401), AuthFailed, "rejected the API key"),
        (status(500), BadResponse, "failed to list its models"),
        (status(200, b"<!doctype html><title>Open WebUI</title>"), BadResponse, "a web page"),
        (status(200, b"OK"), BadResponse, "not JSON"),
        (status(200, b""), BadResponse, "not JSON"),
        (status(200, b'{"hello": "world"}'), BadResponse, "did not return a list of models"),
        (
            status(200, b'{"error": {"message": "no tenant", "code": 400}}'),
            BackendError,
            "no tenant",
        ),
    ],
)
async def test_each_answer_that_is_no_list_has_its_sentence(
    answer: Answer, kind: type[BackendError], said: str
) -> None:
    async with HostileServer(models=answer) as server:
        with pytest.raises(kind, match=said) as caught:
            await list_models(server.url)
    assert caught.value.cure


async def test_a_new_chat_starts_with_the_first_model_that_chats() -> None:
    body = json.dumps({"object": "list", "data": rows(*OPENAI)}).encode()
    async with HostileServer(models=status(200, body)) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url))
        await backend.start()
        await backend.aclose()
    assert backend.model == "gpt-4o-mini"


async def test_a_real_llama_server_offers_its_model(llama_server: LlamaServer) -> None:
    (model,) = await list_models(llama_server.url)
    assert (model.id, model.server, model.chat) == (llama_server.model, "llamacpp", True)
    (model,) = await list_models(llama_server.address)
    assert model.chat


def test_a_name_that_is_no_line_of_text_is_no_model() -> None:
    names = ["good 模型", "a\n\n![x](https://evil.example)", "red\x1b[31m", "\u202eback"]
    assert [one.id for one in models_in([{"id": name} for name in names]) or ()] == ["good 模型"]
