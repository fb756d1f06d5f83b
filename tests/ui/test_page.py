"""The page without a browser: what is built, mounted and sent."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from tests.asgi import Ask, send
from webchat.sentences import LANGUAGES, locale
from webchat.ui import PageSettings, create_page, mount
from webchat.ui.gradio_page import Shell, rewrite_page
from webchat.ui.head import MODULES, STYLES
from webchat.ui.layout import label
from webchat.ui.not_found import NotFound, language_of


def client(**settings: object) -> TestClient:
    ui = PageSettings(version="v1", **settings)  # type: ignore[arg-type]
    return TestClient(mount(FastAPI(), create_page(ui), ui))


@pytest.fixture(scope="module")
def served() -> TestClient:
    return client(title="My <chat>", language="zh-CN")


def test_page_builds_without_a_server() -> None:
    assert isinstance(create_page(PageSettings(version="v1")), gr.Blocks)


def test_nothing_on_the_page_has_a_listener_or_script_for_gradio_to_compile() -> None:
    page = create_page(PageSettings(version="v1"))
    assert not page.fns
    assert not [block for block in page.blocks.values() if isinstance(block, gr.HTML)]


async def test_the_queue_that_nobody_asks_does_not_run() -> None:
    ui = PageSettings(version="v1")
    parent = mount(FastAPI(), create_page(ui), ui)
    async with parent.router.lifespan_context(parent):
        running = [str(task.get_coro()) for task in asyncio.all_tasks()]
    assert not [name for name in running if "Queue." in name]


def test_every_text_box_has_a_bound() -> None:
    page = create_page(PageSettings(version="v1"))
    boxes = [block for block in page.blocks.values() if isinstance(block, gr.Textbox)]
    numbers = [block for block in page.blocks.values() if isinstance(block, gr.Number)]
    assert boxes
    assert all(box.max_length for box in boxes)
    assert all(number.minimum is not None and number.maximum is not None for number in numbers)


def test_head_comes_before_anything_of_gradios(served: TestClient) -> None:
    page = served.get("/").text
    boot = page.index("webchatConfig")
    assert boot < page.index("gradio_config")
    assert boot < page.index('type="module" crossorigin')
    assert '"language": "zh-CN"' in page
    assert "<title>My &lt;chat&gt;</title>" in page
    assert "My \\u003cchat>" in page


def test_a_browser_without_scripts_is_told(served: TestClient) -> None:
    page = served.get("/").text
    said = re.search(r"<body[^>]*>\s*<noscript>(.*?)</noscript>", page, re.S)
    assert said
    assert all(locale(name)["app.noscript"] in said[1] for name in LANGUAGES)


def test_page_names_no_other_host(served: TestClient) -> None:
    page = served.get("/").text
    head = page[: page.index("window.gradio_config")]
    assert "manifest" not in head
    assert set(re.findall(r"https?://[\w.-]+", head)) <= {"http://www.w3.org"}
    assert "raw.githubusercontent.com" not in page


def test_length_of_the_rewritten_page_is_right(served: TestClient) -> None:
    answer = served.get("/", headers={"accept-encoding": "gzip, br"})
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["cache-control"] == "no-cache"


def test_every_script_of_the_page_carries_the_nonce_it_is_told() -> None:
    page = rewrite_page(
        b'<base href="/"><script>1</script><body><script src="a"></script>', b"<script>2", "n"
    )
    assert page.count(b"<script") == page.count(b'<script nonce="n"') == 3


def test_page_of_an_unknown_gradio_is_refused() -> None:
    with pytest.raises(ValueError, match="base"):
        rewrite_page(b"<html><head></head></html>", b"", "")


def test_assets_are_kept_for_good(served: TestClient) -> None:
    for path in [*(f"styles/{name}.css" for name in STYLES), *(f"{name}.js" for name in MODULES)]:
        answer = served.get(f"/assets/v1/{path}")
        assert answer.status_code == 200, path
        assert "immutable" in answer.headers["cache-control"]
    for language in LANGUAGES:
        assert served.get(f"/assets/v1/locales/{language}.json").json()["app.new_chat"]


@pytest.mark.parametrize("path", ["nothing.js", "../__init__.py", "%2e%2e/page.py", "locales/../../page.py"])
def test_what_is_no_asset_is_not_served(served: TestClient, path: str) -> None:
    answer = served.get(f"/assets/v1/{path}")
    assert answer.status_code == 404
    assert "immutable" not in answer.headers.get("cache-control", "")


HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(("path", "home"), [("/nope", "./"), ("/s/unknown", "../"), ("/a/b/c", "../../")])
def test_an_unknown_address_is_a_page_to_people(served: TestClient, path: str, home: str) -> None:
    for method in ("GET", "HEAD"):
        answer = served.request(method, path, headers=HTML)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")
    text = served.get(path, headers=HTML).text
    assert f'href="{home}"' in text
    assert "My &lt;chat&gt;" in text


def test_an_unknown_address_is_json_to_programs(served: TestClient) -> None:
    asked = [
        served.get("/nope"),
        served.get("/nope", headers={"accept": "application/json"}),
        served.post("/nope", headers=HTML),
    ]
    for answer in asked:
        assert answer.status_code in (404, 405)
        assert answer.headers["content-type"] == "application/json"
    assert asked[0].json()["error"]["code"] == "not_found"


def routes_of_gradio() -> list[str]:
    """As the installed one has them, with `x` for what stands in braces."""
    source = Path(gr.__file__).with_name("routes.py").read_text(encoding="utf-8")
    found = re.findall(r'@(app|router)\.(?:get|post|head)\(\s*f?"(/[^"]*)"', source)
    return sorted(
        {("/gradio_api" if on == "router" else "") + re.sub(r"{[^}]*}", "x", path) for on, path in found}
    )


def test_of_gradio_only_what_the_page_needs_is_there(served: TestClient) -> None:
    """Whatever a later release adds is not there either, until somebody needs it."""
    found = routes_of_gradio()
    assert {"/config", "/gradio_api/queue/join", "/gradio_api/upload", "/gradio_api/file=x"} <= set(found)
    there = set()
    for path in [*found, "/gradio_api", "/gradio_api/", "/gradio_api/something-new", "/gradio_api/mcp/sse"]:
        for answer in (served.get(path), served.post(path, json={"session_hash": "x"})):
            assert answer.status_code < 500
            if answer.status_code != 404:
                there.add(path)
    assert there == {"/", "/theme.css", "/assets/x", "/static/x"}


async def test_every_file_of_gradios_bundle_is_there(served: TestClient) -> None:
    async def found(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("found")(scope, receive, send)

    bundle = Path(gr.__file__).parent / "templates" / "frontend"
    files = [path for folder in ("assets", "static") for path in (bundle / folder).rglob("*.*")]
    assert len(files) > 100
    shell = Shell(found, NotFound("x", "en"))
    for file in files:
        path = f"/{file.relative_to(bundle).as_posix()}".encode()
        assert (await send(shell, Ask("GET", path))).status == 200, path
    entry = re.search(r'assets/index-[^"]+\.js', served.get("/").text)
    assert entry
    assert served.get(f"/{entry[0]}").status_code == 200
    assert served.get("/theme.css?v=1").status_code == 200
    assert served.get("/assets/nothing.js").json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("host", [b"a b", b"a:b:c", b"[::1", b"\xff", b"a\x00", b":80", b"[1]"])
def test_a_name_that_is_none_makes_no_page(served: TestClient, host: bytes) -> None:
    for name in (b"host", b"x-forwarded-host"):
        assert served.get("/", headers={name: host}).status_code == 400


@pytest.mark.parametrize("query", ["page=zzz", "deep_link=zzz", "c=1&page=%00"])
def test_there_is_no_other_page(served: TestClient, query: str) -> None:
    assert served.get(f"/?{query}", headers=HTML).status_code == 404


@pytest.mark.parametrize("query", ["__theme=dark", "c=1&q=page=2", "page=", "=&&;"])
def test_a_query_makes_no_other_page(served: TestClient, query: str) -> None:
    assert served.get(f"/?{query}").text == served.get("/").text


async def test_what_gradio_stumbles_over_is_told_by_its_number(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("trace", 500)(scope, receive, send)
        raise KeyError("words of somebody")

    with caplog.at_level(logging.INFO):
        answer = await send(Shell(broken, NotFound("x", "en")), Ask("GET", b"/"))
    assert answer.status == 500
    assert answer.raised is None
    ticket = json.loads(answer.body)["error"]["params"]["id"]
    assert [ticket in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize(
    ("headers", "default", "language"),
    [
        ({}, "auto", "en"),
        ({"accept-language": "fr-FR,fr;q=0.9"}, "auto", "en"),
        ({"accept-language": "de, zh-TW;q=0.8, en;q=0.5"}, "auto", "zh-CN"),
        ({"accept-language": "zh-CN"}, "en", "en"),
        ({"accept-language": "en", "cookie": "a=b; webchat_lang=zh-CN"}, "en", "zh-CN"),
        ({"cookie": "webchat_lang=<script>"}, "zh-CN", "zh-CN"),
    ],
)
def test_the_language_is_the_pages(headers: dict[str, str], default: str, language: str) -> None:
    assert language_of(Headers(headers), default) == language


def test_version_follows_the_content() -> None:
    assert PageSettings().version == PageSettings().version
    assert re.fullmatch("[0-9a-f]{12}", PageSettings().version)


def test_label_that_gradio_would_not_know_is_refused() -> None:
    with pytest.raises(KeyError):
        label("no.such.key")
