"""What the server renders for readers without scripts says the same as the page: `webchat.sharing.markdown`
against the page's own modules, in a real browser, over everything the tests know of Markdown."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.ui.asset_page import asset_page
from tests.ui.documents import document
from tests.ui.payloads import PAYLOADS
from webchat.sentences import locale
from webchat.sharing.markdown.parser import render

PROSE = Path(__file__).parent / "prose"

LOOK = """async (rows) => {
  const words = (root) => {
    root.querySelectorAll(".wc-code-bar button, .wc-many").forEach((one) => one.remove());
    // Typeset or not, a formula says its source.
    const formulas = root.querySelectorAll("math");
    for (const one of formulas) one.replaceWith(one.querySelector("annotation").textContent);
    const text = root.textContent.replace(/\\s+/g, "");
    const selector =
      "strong, em, s, code, li, h1, h2, h3, h4, h5, h6, th, td, blockquote, pre, summary, sub, kbd, mark, a";
    const marks = [...root.querySelectorAll(selector)]
      .filter((one) => !one.matches("sup.wc-mark a, .wc-note-back"))
      .map((one) => `${one.localName} ${one.getAttribute("href")} ${one.textContent.replace(/\\s+/g, "")}`);
    return { text, marks };
  };
  const found = [];
  for (const [text, html] of rows) {
    whole(text, { most: 0 });
    await settled();
    const element = document.createElement("template");
    element.innerHTML = html;
    found.push({ page: words(shown.cloneNode(true)), server: words(element.content) });
  }
  return found;
}"""
"""The words of both, and which of them stand in what element."""


class _Keys(dict[str, str]):
    """Words as the page of assets says them: the key, then the values."""

    def __missing__(self, key: str) -> str:
        holes = [part.partition("}")[0] for part in locale("en")[key].split("{")[1:]]
        return " ".join([key, *(f"{{{hole}}}" for hole in holes)])


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with asset_page() as (page, _):
        yield page


def differences(page: Page, texts: list[str]) -> list[tuple[str, Any]]:
    rows = [(text, render(text, _Keys())) for text in texts]
    found = page.evaluate(LOOK, rows)
    return [(text, look) for text, look in zip(texts, found, strict=True) if look["page"] != look["server"]]


@pytest.mark.parametrize("name", [path.stem for path in sorted(PROSE.glob("*.json"))])
def test_prose(page: Page, name: str) -> None:
    rows = json.loads((PROSE / f"{name}.json").read_text("utf-8"))
    texts = [
        next(part for part in row[:2] if "\n" in part or len(row[0]) < 40) if name == "fences" else row[0]
        for row in rows
    ]
    assert differences(page, texts) == []


@pytest.mark.parametrize("seed", range(4))
def test_documents_by_chance(page: Page, seed: int) -> None:
    chance = random.Random(seed)
    assert differences(page, [document(chance) for _ in range(150)]) == []


def test_what_would_run_as_a_script(page: Page) -> None:
    assert differences(page, list(PAYLOADS)) == []
