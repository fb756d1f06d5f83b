"""`deploy/function.md`: its scripts and commands do what it says, and so does `webchat.launch(function)`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

import webchat
from backends.base import collect
from backends.echo import EchoBackend
from backends.errors import BackendError
from backends.function import FunctionBackend
from backends.inputs import Input
from backends.options import FunctionOptions
from backends.types import Message, Request, ToolCallDelta
from tests.app_process import AppProcess, free_port
from tests.clean_environment import ROOT
from tests.pages import blocks
from tests.test_launching import at_home, running

__all__ = ["at_home"]

PAGE = ROOT / "deploy/function.md"
FILES = {block.file: block.text for block in blocks(PAGE) if block.file}


def said_by(port: int) -> Any:
    """What the only model replies to a message over HTTP, and the model."""
    origin = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=origin, headers={"origin": origin}, timeout=60) as client:
        (model,) = client.get("/api/models").json()["models"]
        body = {"kind": "send", "client_key": "k", "text": "Good morning"}
        reply = client.post("/api/turns", json=body).json()["reply"]["id"]
        client.get(f"/api/messages/{reply}/events?from=0")  # to its end
        return client.get(f"/api/messages/{reply}").json()["message"], model


def test_a_chat_interface_moves_over_in_five_lines(tmp_path: Path) -> None:
    before, after = (block.text for block in blocks(PAGE)[:2])
    moved = [line for line in after.splitlines() if line]
    assert len(moved) <= 5
    assert [line for line in before.splitlines() if line in moved and line], "the function is unchanged"
    port = free_port()
    script = after.replace("launch(respond)", f"launch(respond, port={port}, open_browser=False)")
    (tmp_path / "app.py").write_text(script, encoding="utf-8")
    with running([sys.executable, "app.py"], tmp_path, f"http://127.0.0.1:{port}") as server:
        reply, model = said_by(port)
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=100)
    assert (reply["text"], reply["state"]) == ("You said: Good morning", "complete")
    assert (model["name"], model["kind"]) == ("respond", "function")


def test_the_command_serves_the_same_function(tmp_path: Path) -> None:
    (command,) = (block.commands[0] for block in blocks(PAGE) if block.text.startswith("webchat "))
    function = command.split()[-1]
    script = FILES["app.py"].replace("webchat.launch", 'if __name__ == "__main__":\n    webchat.launch')
    (tmp_path / "app.py").write_text(script, encoding="utf-8")
    path = {"PYTHONPATH": str(tmp_path)}
    flags = command.split()[1:]
    with AppProcess(tmp_path / "data", *flags, env=path, checkout=tmp_path, preloaded=True) as app:
        reply, model = said_by(app.port)
    assert (reply["text"], model["source"]) == ("You said: Good morning", function)


@pytest.mark.parametrize(
    ("name", "text", "reasoning"),
    [
        ("chain.py", "You asked: Good morning", ""),
        ("agent.py", "Sunny in Oslo.", "This needs the weather."),
    ],
)
async def test_the_examples_answer(name: str, text: str, reasoning: str) -> None:
    scope: dict[str, Any] = {"__name__": name}
    exec(compile(FILES[name], name, "exec"), scope)
    made = FunctionBackend(FunctionOptions(scope["respond"]))
    request = Request((Message("user", "Good morning"),))
    events = [event async for event in made.stream(request)]
    assert any(isinstance(event, ToolCallDelta) for event in events) == (name == "agent.py")
    completion = await collect(made.stream(request))
    assert (completion.text, completion.reasoning) == (text, reasoning)
    await made.aclose()


def respond(message: str, history: list[Any], temperature: float = 0.5, style: str = "plain") -> str:
    return f"{style} {temperature}"


def interface(**options: Any) -> gr.ChatInterface:
    given: dict[str, Any] = {
        "title": "Shop",
        "additional_inputs": [
            gr.Slider(0, 2, 0.7, step=0.1, label="Temperature"),
            gr.Dropdown([("Plain", "plain"), ("Fancy", "fancy")], value="fancy", label="Style"),
        ],
        "examples": [["Where is my bike?", None, None], ["Do you rent?", 1, "plain"]],
        "concurrency_limit": 3,
    }
    return gr.ChatInterface(respond, **{**given, **options})


async def test_a_chat_interface_is_served_as_it_is() -> None:
    app = webchat.create(interface())
    (model,) = app.models.infos()
    able = app.models.capabilities("Shop")
    app.store.close()
    assert (model.name, model.kind) == ("Shop", "function")
    assert able is not None
    assert able.slots == 3
    assert able.examples == ("Where is my bike?", "Do you rent?")
    assert able.inputs == (
        Input("temperature", "Temperature", "slider", 0.7, minimum=0, maximum=2, step=0.1),
        Input("style", "Style", "choice", "fancy", choices=(("Plain", "plain"), ("Fancy", "fancy"))),
    )
    assert not app.models.spec("Shop").titles, "nobody's function is asked for titles"


async def test_what_makes_no_sense_here_is_said_at_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    photo = [gr.Image(label="Photo"), gr.State(3)]
    app = webchat.create(interface(additional_inputs=photo, examples=None, description="Hi", multimodal=True))
    app.store.close()
    said = capsys.readouterr().err
    assert "The input 'Photo' is a Image, which can't be shown here" in said
    assert "'Style' is a State" in said
    for feature in ("description", "multimodal"):
        assert f"the ChatInterface: {feature}" in said


@pytest.mark.parametrize(
    ("what", "values", "said"),
    [
        (respond, {"backend": EchoBackend()}, "Give either a function or backend"),
        (respond, {"model": "x"}, "Give either a function or model"),
        (None, {"backend": EchoBackend(), "examples": ["Hi"]}, "belong to a function: give it first"),
        (respond, {"additional_inputs": ["slider", "slider", "slider"]}, "takes no parameter for the input"),
        (lambda message, history, style: "", {}, "takes style, for which nothing is given"),
        (None, {"function": "nowhere_at_all:respond"}, "There is no module nowhere_at_all"),
        (None, {"function": "app:respond", "model": "x"}, "function and model are mutually exclusive"),
        (None, {"function": "app:respond", "adapters": ["a"]}, "adapters are for a model"),
        (None, {"endpoint": "http://h", "rewrites": True}, "rewrites is for a function"),
        (3, {}, "int is not a function"),
        (respond, {"additional_inputs": ["nonsense"]}, "nonsense"),
    ],
)
def test_wrong_functions_are_refused_in_a_sentence(what: Any, values: dict[str, Any], said: str) -> None:
    with pytest.raises((webchat.BadSettings, BackendError)) as refused:
        webchat.create(what, **values)
    assert said in str(refused.value)


def test_a_function_named_by_a_stronger_source_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine_too.py").write_text(FILES["app.py"].partition("webchat.launch")[0], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    app = webchat.create(function="mine_too:respond")
    app.store.close()
    assert [info.name for info in app.models.infos()] == ["respond"]
    (tmp_path / "webchat.toml").write_text('function = "mine_too:respond"', encoding="utf-8")
    app = webchat.create()
    app.store.close()
    assert [info.kind for info in app.models.infos()] == ["openai"]
