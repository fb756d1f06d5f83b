"""Webhooks on the command line: made with a secret that is printed once, listed, removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Signer

from tests.clean_environment import ROOT
from tests.pages import blocks
from webchat.cli import run
from webchat.store import Store


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The same database beside the commands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path))
    with closing(Store.open(f"sqlite:///{tmp_path / 'webchat.db'}", serve=False)) as opened:
        yield opened


def said(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> tuple[str, str]:
    assert run(["webhook", *argv]) == code
    out, err = capsys.readouterr()
    return out, err


def test_a_webhook_is_made_listed_and_removed(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys, "new", "https://example.org/hook", "--events", "vote.saved, reply.ended")
    secret = out.strip()
    (one,) = store.list_webhooks()
    assert one.webhook.secret == secret
    assert secret not in err + repr(one)
    assert (one.webhook.events, one.webhook.content) == (("reply.ended", "vote.saved"), False)
    listed, _ = said(capsys, "list")
    assert "https://example.org/hook  reply.ended vote.saved  nothing delivered yet" in listed
    assert secret not in listed
    assert said(capsys, "retry", one.webhook.id)[0] == "Deliveries being sent again: 0.\n"
    assert "is disabled" in said(capsys, "disable", one.webhook.id)[0]
    assert "disabled, nothing delivered yet" in said(capsys, "list")[0]
    assert "is enabled" in said(capsys, "enable", one.webhook.id)[0]
    assert "disabled" not in said(capsys, "list")[0]
    said(capsys, "remove", one.webhook.id)
    assert "No webhooks yet" in said(capsys, "list")[1]


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (("https://example.org", "--events", "reply"), "There is no event 'reply'"),
        (("http://example.org",), "https://"),
        (("https://192.168.0.1/",), "private network"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], why: str
) -> None:
    out, err = said(capsys, "new", *argv, code=2)
    assert (out, err.count("\n")) == ("", 1)
    assert why in err


def test_a_test_that_does_not_arrive_says_why(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBCHAT_WEBHOOKS_PRIVATE", "true")
    hook = store.create_webhook("http://127.0.0.1:9/", "whsec_eA==", ("reply.ended",))
    _, err = said(capsys, "test", hook.id, code=2)
    assert "http://127.0.0.1:9/ did not receive the test: 127.0.0.1 can't be reached." in err


def test_the_receiver_of_the_page_checks_what_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    from datetime import UTC, datetime

    (snippet,) = [one.text for one in blocks(ROOT / "deploy/webhooks.md") if one.language == "python"]
    scope: dict[str, object] = {}
    exec(snippet, scope)
    secret, body, now = "whsec_eHh4", '{"type":"reply.ended","data":{"message_id":"m"}}', datetime.now(UTC)
    headers = {
        "webhook-id": "1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(secret).sign("1", now, body),
    }
    receive = scope["receive"]
    assert callable(receive)
    receive(secret, headers, body.encode())
    assert capsys.readouterr().out == "reply.ended m\n"
    with pytest.raises(Exception, match="No matching signature"):
        receive("whsec_eHl5", headers, body.encode())
