"""Finding model servers from the console: what it says, and that only what was found is used."""

from __future__ import annotations

import gradio as gr
import pytest

from backends.errors import ModelNotFound
from backends.providers import Found, provider_named
from tests.api.conftest import MakeSite
from tests.console.test_handlers import caller
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.console import servers
from webchat.console.servers import Servers


async def test_a_server_that_was_found_is_used_and_no_other(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_site() as site, ScriptedEndpoint() as endpoint, ScriptedEndpoint() as other:
        found = [Found(endpoint.url, provider_named("vllm"), ("scripted",))]

        async def look() -> tuple[Found, ...]:
            return tuple(found)

        monkeypatch.setattr(servers, "look", look)
        tab, who = Servers(site.services), caller(site)
        said, choice, use = await tab.find(who)
        assert f"**vLLM** · {endpoint.url} · scripted" in said.value
        assert [value for _, value in choice.choices] == [endpoint.url]
        assert use.visible
        for wrong in (other.url, "http://169.254.169.254/v1", None):
            assert "no longer answers" in (await tab.use(who, wrong)).value
        assert [info.name for info in site.models.infos()] == ["echo"]
        for _ in range(2):
            answer = await tab.use(who, endpoint.url)
            assert isinstance(answer, gr.Markdown)
            assert f'endpoint = "{endpoint.url}"' in answer.value
            assert [info.name for info in site.models.infos()] == ["echo", "scripted"]
        assert site.models.default == "echo"
        assert site.models.spec("scripted").endpoint.base_url == endpoint.url
        with pytest.raises(ModelNotFound):
            site.models.spec(other.url)
        found.clear()
        said, choice, use = await tab.find(who)
        assert "No model servers found" in said.value
        assert not use.visible


async def test_a_server_with_a_key_is_named_and_not_offered(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look() -> tuple[Found, ...]:
        return (Found("http://127.0.0.1:8000/v1", None, needs_key=True),)

    monkeypatch.setattr(servers, "look", look)
    async with make_site() as site:
        said, choice, _ = await Servers(site.services).find(caller(site))
        assert "needs a key" in said.value
        assert choice.choices == []
