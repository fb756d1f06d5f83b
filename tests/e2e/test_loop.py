"""From a link to a better model in one sitting: a tester with a phone, and an operator at a desk."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.app_process import ROOT, AppProcess
from tests.backends.tiny_models import make_folder
from tests.e2e.chat import PHONE, Chat, NewVisitor
from tests.e2e.test_console import tab
from tests.e2e.test_operator import come_by
from tests.e2e.test_tester import arrive, made
from tests.e2e.test_visitors import store_of
from tests.scripted_endpoint import ScriptedEndpoint
from tests.store.talk import Talk
from webchat.feedback.finetuning.checks import FEWEST_ROWS
from webchat.sentences import locale
from webchat.sharing.links import OPERATOR_PREFIX
from webchat.store import Store
from webchat.store.judgement_records import JudgementChange

pytest.importorskip("trl")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CONFIG = """
[[models]]
name = "wren"
endpoint = "{url}"
model = "scripted"
[[models]]
name = "tiny"
kind = "local"
model = "{folder}"
"""
BETTER = "w0 w1 gently w3"
MORE = FEWEST_ROWS + 14
"""Earlier judgements, so that there is enough to train on."""


def earlier(data: Path) -> None:
    """What the operator judged before; all of it is exported."""
    data.mkdir(parents=True)
    store = Store.open(f"sqlite:///{data / 'webchat.db'}")
    talk = Talk(store, store.local_owner().id, "tiny")
    for number in range(MORE):
        reply = talk.say(f"What is {number} plus {number * 7}?", f"It is {number * 3}, I think.").reply
        change = JudgementChange(rating=-1, better=f"{number * 8}.")
        judged = store.judge(talk.owner, reply.id, change)
        assert judged is not None
        store.review_judgements(talk.owner, {judged.id: judged.changed_at}, "accepted")
    store.close()


def webchat(data: Path, config: Path, *args: str) -> str:
    env = {**os.environ, "WEBCHAT_DATA_DIR": str(data), "WEBCHAT_CONFIG": str(config)}
    command = [sys.executable, "-m", "webchat", *args]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def choose(page: Page, field: str, option: str | re.Pattern[str]) -> None:
    """In a dropdown of the console."""
    await page.locator(f"{field} input").click()
    await page.get_by_role("option", name=option).first.click()


def button(page: Page, id: str) -> Locator:
    return page.locator(f"button{id}, {id} button").first


async def judges(chat: Chat, words: dict[str, str]) -> None:
    """On a phone: agree, find a reply bad, write a better one, and vote on two."""
    page = chat.page
    card = page.locator(".wc-tester-card")
    await card.get_by_role("button", name=words["tester.accept"], exact=True).tap()
    await expect(card).to_be_hidden()
    await page.locator("#wc-compare-button").tap()  # first one reply
    await chat.ask("words=4")
    await chat.state("complete")
    await chat.reply.locator('[data-act="rate-down"]').tap()
    panel = chat.reply.locator(".wc-judge")
    await panel.get_by_role("button", name=words["judge.better"]).tap()
    await chat.reply.locator(".wc-editor textarea").fill(BETTER)
    await chat.reply.locator(".wc-editor .wc-primary").tap()
    await expect(panel.locator(".wc-judge-diff ins")).to_contain_text("gently")
    await page.locator("#wc-compare-button").tap()
    await chat.send("words=5 compared")
    question = page.locator(".wc-compare-question")
    await expect(question).to_have_text(words["compare.question"])
    await page.locator(".wc-compare-tabs button").last.tap()
    await expect(page.locator(".wc-compare-side").last).to_be_in_viewport(ratio=0.5)
    await page.locator('[data-do="left"]').tap()
    await expect(question).to_have_text(words["compare.voted"].format(side="A"))


async def exported(page: Page, words: dict[str, str]) -> list[dict[str, Any]]:
    """The rows of the DPO files that the console offers."""
    await tab(page, words["console.training"])
    await page.locator("#wc-export > button").click()
    await page.locator("#wc-export-by").get_by_role("radio").nth(1).check()
    await button(page, "#wc-export-start").click()
    link = page.locator("#wc-export-link a")
    await expect(link).to_be_visible(timeout=300_000)
    answer = await page.context.request.get(str(await link.evaluate("(link) => link.href")))
    rows = []
    with zipfile.ZipFile(BytesIO(await answer.body())) as file:
        for name in file.namelist():
            if re.search(r"dpo/\w+\.jsonl$", name):
                rows += [json.loads(line) for line in file.read(name).decode().splitlines()]
    return rows


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_what_a_tester_says_changes_a_model_in_one_sitting(
    demo_folder: Path, endpoint: ScriptedEndpoint, tmp_path: Path, visitor: NewVisitor, language: str
) -> None:
    words = locale(language)
    folder, data, config = tmp_path / "tiny", tmp_path / "data", tmp_path / "webchat.toml"
    folder.mkdir()
    make_folder(demo_folder, folder)
    config.write_text(CONFIG.format(folder=folder, url=endpoint.url), encoding="utf-8")
    earlier(data)
    flags = ("--no-titles", "--access", "link", "--max-tokens", "12", "--temperature", "0")
    async with AppProcess(data, *flags, env={"WEBCHAT_CONFIG": str(config)}, preloaded=True) as app:
        asks = ("thumbs", "better_answer", "compare")
        agreed: dict[str, Any] = {"consent": "It may train models.", "training": True}
        _, url = made(app, "Class", models=("wren", "tiny"), asks=asks, language=language, **agreed)
        guest = await arrive(visitor, app, url, locale=language, **PHONE)
        await judges(guest, words)

        page = (await come_by(app, visitor, OPERATOR_PREFIX, locale=language)).page
        await page.goto(f"{app.url}/operator/")
        await tab(page, words["console.feedback"])
        await expect(page.locator("#wc-feedback-table")).to_contain_text("words=4")
        await choose(page, "#wc-feedback-link", "Class")
        await expect(page.locator("#wc-feedback-table")).not_to_contain_text("plus")
        await button(page, "#wc-feedback-accept_all").click()
        accepted = words["console.feedback.state.accepted"]
        await expect(page.locator("#wc-feedback-table")).to_contain_text(accepted)
        with store_of(app) as store:
            voted = [vote for vote in store.votes() if vote.link == "Class"]
        assert [vote.preferred for vote in voted] == ["left"]

        rows = await exported(page, words)
        chosen = [row["chosen"][-1]["content"] for row in rows]
        assert BETTER in chosen
        assert len(rows) > MORE

        trains = ("--method", "dpo", "--model", str(folder), "--name", "gentle", "--num-train-epochs", "4")
        learns = ("--learning-rate", "0.02", "--max-length", "128")
        told = await asyncio.to_thread(webchat, data, config, "finetune", *trains, *learns)
        assert "The adapter gentle is in the picker" in told

        chat = await Chat(page, app.url).open()
        await page.click("#wc-picker button")
        await page.get_by_role("option", name=re.compile(r"tiny \+ gentle")).first.click()
        await chat.ask("words=4")
        await chat.state("complete")

        await page.goto(f"{app.url}/operator/?tab=replay")
        await tab(page, words["console.replay"])
        await page.locator("#wc-replay-new > button").click()
        await page.locator("#wc-replay-name").locator("input, textarea").fill("bad ones")
        await choose(page, "#wc-replay-link", "Class")
        await choose(page, "#wc-replay-rating", words["console.replay.bad"])
        await button(page, "#wc-replay-create").click()
        await expect(page.locator("#wc-replay-set input")).to_have_value("bad ones")
        await page.locator("#wc-replay-start_run > button").click()
        await choose(page, "#wc-replay-model", re.compile(r"tiny \+ gentle"))
        await button(page, "#wc-replay-start").click()
        runs = page.locator("#wc-replay-runs")
        await expect(runs).to_contain_text(words["console.replay.state.done"], timeout=300_000)
        await button(page, "#wc-replay-refresh").click()
        await expect(page.locator("#wc-replay-compared del").first).to_have_text(re.compile("w0"))
