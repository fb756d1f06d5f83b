"""What litellm's proxy makes of a stream is still the reply. Slow: it is installed and started for it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from backends.base import collect
from backends.openai_compat import OpenAICompatBackend, list_models
from backends.options import EndpointOptions
from backends.types import Message, Request, Sampling
from tests import litellm_proxy
from tests.llama_server import LlamaServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

ASKED = (
    "What is the capital of France?",
    "Repeat these: 🎉🚀👩‍🚀 你好，世界",
    "Say one two three four five.",
)


@pytest.fixture(scope="module")
def gateway(llama_server: LlamaServer) -> Iterator[str]:
    try:
        program = litellm_proxy.installed()
    except RuntimeError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    with litellm_proxy.proxy(program, llama_server.url, llama_server.model) as url:
        yield url


async def test_a_gateway_changes_no_word_of_a_stream(gateway: str, llama_server: LlamaServer) -> None:
    through = OpenAICompatBackend(EndpointOptions(gateway, llama_server.model, api_key=litellm_proxy.KEY))
    direct = OpenAICompatBackend(EndpointOptions(llama_server.url))
    try:
        for words in ASKED:
            request = Request((Message("user", words),), Sampling(temperature=0, max_tokens=40))
            seen = await collect(through.stream(request))
            whole = await collect(direct.stream(request))
            assert (seen.text, seen.finished.reason) == (whole.text, whole.finished.reason)
            assert seen.usage is not None
    finally:
        await through.aclose()
        await direct.aclose()


async def test_a_gateway_lists_what_is_behind_it(gateway: str, llama_server: LlamaServer) -> None:
    assert [model.id for model in await list_models(gateway, litellm_proxy.KEY)] == [llama_server.model]
