import importlib.util
import json
import re
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webchat.auth.gradio_sessions import (
    BadSession,
    Sessions,
    is_closed,
    session_in_body,
    session_in_path,
    session_in_query,
)

SESSIONS = Sessions("s" * 43)


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_owners_never_share_a_session(owner: str, other: str, session: str) -> None:
    mine = SESSIONS.hash_for(owner, session)
    assert mine == SESSIONS.hash_for(owner, session)
    assert (mine == SESSIONS.hash_for(other, session)) == (owner == other)


@given(st.text(max_size=9))
def test_owner_and_session_cannot_be_shifted_into_each_other(words: str) -> None:
    """However one text is cut into an owner and a session, each cut gives another hash."""
    cuts = [(words[:at], words[at:]) for at in range(len(words) + 1)]
    cuts += [(f"1:{owner}", session) for owner, session in cuts]
    assert len({SESSIONS.hash_for(*cut) for cut in cuts}) == len(set(cuts))


def test_every_session_in_a_query_is_replaced() -> None:
    query = SESSIONS.in_query("me", b"session_hash=abc&x=%C3%A9&session_hash=victim&empty=")
    found = parse_qs(query.decode(), keep_blank_values=True)
    assert found["x"] == ["é"]
    assert found["empty"] == [""]
    assert found["session_hash"] == [SESSIONS.hash_for("me", "abc"), SESSIONS.hash_for("me", "victim")]


def test_the_session_in_a_body_is_replaced_and_the_rest_is_kept() -> None:
    body = {"data": ["你好", None, {"a": [1, 2.5]}], "fn_index": 3, "session_hash": "abc"}
    found = json.loads(SESSIONS.in_body("me", json.dumps(body).encode()))
    assert found == {**body, "session_hash": SESSIONS.hash_for("me", "abc")}


def test_a_body_that_names_two_sessions_leaves_with_one() -> None:
    found = SESSIONS.in_body("me", b'{"session_hash":"victim","data":[],"session_hash":"abc"}')
    assert found.count(b"session_hash") == 1
    assert b"victim" not in found


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"{", b'{"session_hash":1}', b"\xff", b"[" * 100_000, b'{"session_hash":null}'],
)
def test_a_body_without_a_session_is_refused(body: bytes) -> None:
    with pytest.raises(BadSession):
        SESSIONS.in_body("me", body)


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/deep_link",
        "/gradio_api/deep_link/",
        "/gradio_api/runs",
        "/gradio_api/run-history/records",
        "/gradio_api/run/predict",
        "/gradio_api/call/predict",
        "/gradio_api/call/v2/predict",
        "/gradio_api/api/predict",
        "/gradio_api/proxy=http://10.0.0.1/",
        "/gradio_api/upload",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/stream/abc",
        "/gradio_api/stream/hash/1/2/playlist.m3u8",
        "/gradio_api/dev/reload",
        "/gradio_api/vibe-edit",
        "/gradio_api/login_check",
        "/gradio_api/token",
        "/gradio_api/component_server",
        "/gradio_api/openapi.json",
        "/gradio_api/mcp/sse",
        "/gradio_api/something-new",
        "/gradio_api",
        "/gradio_api/",
        "/monitoring",
        "/monitoring/summary",
        "/docs",
        "/openapi.json",
        "/login",
    ],
)
def test_routes_of_gradio_that_are_not_served(path: str) -> None:
    assert is_closed(path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/config",
        "/theme.css",
        "/assets/index.js",
        "/static/fonts/x.woff2",
        "/api/me",
        "/gradio_api/queue/join",
        "/gradio_api/queue/data",
        "/gradio_api/heartbeat/abc",
        "/gradio_api/startup-events",
        "/gradio_api/cancel",
        "/gradio_api/info",
    ],
)
def test_routes_the_page_needs_are_served(path: str) -> None:
    assert not is_closed(path)


def test_where_a_session_stands() -> None:
    assert session_in_body("/gradio_api/queue/join")
    assert session_in_body("/gradio_api/queue/join/")
    assert session_in_query("/gradio_api/queue/data")
    assert session_in_path("/gradio_api/heartbeat/abc") == "abc"
    assert session_in_path("/gradio_api/queue/data") is None


def test_every_route_of_the_installed_gradio_is_closed_or_bound() -> None:
    """Read from its source: what it routes below its prefix is either not served, or known here by name."""
    spec = importlib.util.find_spec("gradio")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).with_name("routes.py").read_text(encoding="utf-8")
    paths = {
        "/gradio_api" + path for path in re.findall(r'@router\.(?:get|post|head)\(\s*"(/[^"]+)"', source)
    }
    assert {"/gradio_api/queue/join", "/gradio_api/heartbeat/{session_hash}"} <= paths
    served = {path.rstrip("/") for path in paths if not is_closed(path)}
    assert served == {
        "/gradio_api/app_id",
        "/gradio_api/cancel",
        "/gradio_api/heartbeat/{session_hash}",
        "/gradio_api/info",
        "/gradio_api/queue/data",
        "/gradio_api/queue/join",
        "/gradio_api/queue/status",
        "/gradio_api/reset",
        "/gradio_api/startup-events",
        "/gradio_api/theme.css",
    }
