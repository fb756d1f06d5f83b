"""The handlers of the editor of chat templates."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import gradio as gr
import pytest

from tests.api.conftest import MakeSite, Site
from tests.api.test_model_templates import NAME, NEW, OWN, Fake
from tests.console.test_handlers import caller
from webchat.console.chat_templates import MOST_TEXT, Editor
from webchat.models import ModelSpec

SAMPLE = [["user", "{{ 7 * 7 }}"], ["", ""]]


@pytest.fixture
async def site(make_site: MakeSite) -> AsyncIterator[Site]:
    async with make_site(Fake(), spec=ModelSpec(name=NAME, kind="x")) as made:
        yield made


async def test_a_template_is_shown_with_a_sample_in_the_readers_language(site: Site) -> None:
    editor = Editor(site.services)
    card, elsewhere, code, sample, source, version, based_on, own = await editor.show(
        caller(site, "zh-CN"), NAME
    )
    assert (card.visible, elsewhere.visible, own.visible) == (True, False, False)
    assert (code.value, based_on) == (OWN, None)
    assert sample.value["data"][1] == ["user", "星期一之后是星期几？"]
    assert source == "当前使用：模型自带的模板"
    assert [value for _, value in version.choices] == ["own"]
    card, elsewhere, *_ = await editor.show(caller(site), None)
    assert (card.visible, elsewhere.visible) == (False, False)


async def test_each_save_is_a_version_and_the_models_own_comes_back(site: Site) -> None:
    editor, who = Editor(site.services), caller(site)
    problem, note, source, version, based_on, own = await editor.save(who, NAME, NEW, " *brackets* ", None)
    assert (problem.visible, note, source, based_on, own.visible) == (
        False, "", "In use: version 1", 1, True,
    )  # fmt: skip
    assert version.choices[0][0] == "Version 1 · Just now · Op · *brackets*"
    shown, restore = await editor.compare(who, NAME, "own", NEW)
    assert f"-{OWN}\n" in shown.value
    assert restore.visible
    assert (await editor.restore(who, NAME, "own"))[0].value == OWN
    same, restore = await editor.compare(who, NAME, "1", NEW)
    assert (same.value, restore.visible) == (NEW, False)
    *_, based_on, own, code = await editor.own(who, NAME, NEW, "", based_on)
    assert (based_on, own.visible, code.value) == (2, False, OWN)
    *_, code = await editor.own(who, NAME, "not saved", "", based_on)
    assert "value" not in code
    for version in ("9", "x", 1, {"a": 1}):
        with pytest.raises(gr.Error):
            await editor.restore(who, NAME, version)


async def test_what_somebody_else_saved_is_not_written_over(site: Site) -> None:
    editor, who = Editor(site.services), caller(site)
    await editor.save(who, NAME, NEW, "", None)
    problem, note, _, version, based_on, _ = await editor.save(who, NAME, f"{NEW}x", "mine", None)
    assert problem.value.startswith("Somebody saved another version")
    assert (note, based_on, len(version.choices)) == ("mine", 1, 2)
    await editor.save(who, NAME, f"{NEW}x", "mine", based_on)
    assert [one.number for one in site.store.chat_template_versions(NAME)] == [2, 1]


async def test_a_preview_is_what_the_model_would_read_and_stores_nothing(site: Site) -> None:
    editor, who = Editor(site.services), caller(site)
    problem, rendered = await editor.preview(who, NAME, NEW, SAMPLE)
    assert (problem.visible, rendered.value) == (False, "[user] {{ 7 * 7 }}\n")
    assert rendered.label == "Resulting prompt · 19 tokens"
    only = "{% for m in messages if m.role != 'system' %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    moved, rendered = await editor.preview(who, NAME, only, [["system", "Be brief."], ["user", "Hi"]])
    assert moved.visible
    assert rendered.value.startswith("[user] Be brief.")
    assert (await editor.preview(who, NAME, NEW, []))[1].value == ""
    assert site.store.chat_template_versions(NAME) == []


@pytest.mark.parametrize(("text", "line"), [("a\n{% nonsense %}", 2), ("{{ <b> }}", 1)])
async def test_what_is_wrong_is_told_with_its_line_and_not_saved(site: Site, text: str, line: int) -> None:
    editor, who = Editor(site.services), caller(site)
    problem, rendered = await editor.preview(who, NAME, text, SAMPLE)
    assert problem.value.startswith(f"Line {line}: ")
    assert "value" not in rendered, "what the last one made stays"
    problem, note, source, *_ = await editor.save(who, NAME, text, "note", None)
    assert problem.value.startswith(f"Line {line}: ")
    assert (note, source) == ("note", "In use: the model's own template")
    assert site.store.chat_template_versions(NAME) == []


async def test_a_model_elsewhere_has_none_here(make_site: MakeSite) -> None:
    async with make_site() as site:
        card, elsewhere, *_ = await Editor(site.services).show(caller(site), "echo")
    assert not card.visible
    assert elsewhere.value == "The server that runs echo applies its own chat template."


@pytest.mark.parametrize(
    "given",
    [
        {"name": "nobody"}, {"name": 5}, {"name": "x" * 500}, {"text": 5}, {"text": "x" * (MOST_TEXT + 1)},
        {"sample": [["tool", "x"]]}, {"sample": [["user", "x" * 20_001]]}, {"sample": [["user", "x"]] * 13},
        {"sample": [[["user"], "x"]]},
    ],
    ids=lambda given: str(given)[:40],
)  # fmt: skip
async def test_what_cannot_be_previewed_is_refused(site: Site, given: dict[str, Any]) -> None:
    values = {"name": NAME, "text": NEW, "sample": SAMPLE} | given
    with pytest.raises(gr.Error):
        await Editor(site.services).preview(caller(site), *values.values())
