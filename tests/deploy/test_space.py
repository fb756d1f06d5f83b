"""The Space's folder: made from the settings, without their secrets, over nothing of anyone else's."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from webchat.cli import run
from webchat.commands.space.folder import MARK
from webchat.commands.space.pins import pins
from webchat.settings import load_settings

KEY = "sk-planted-6f1c2d"
SETTINGS = f"""
endpoint = "https://models.example.com/v1"
api_key = "{KEY}"
cookie_secret = "{KEY}{KEY}{KEY}"
system_prompt = "Say \\"hello\\"\\n你好 C:\\\\new"
temperature = 0.2
sign_in = ["huggingface", "link"]
allowed_people = ["@example.org"]
moderation = "my-rules.toml"
port = 9000

[[models]]
endpoint = "https://other.example.com/v1"
model = "second"
api_key = "{KEY}"
stop = ["</s>"]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without settings, where the command runs."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HF_TOKEN", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return here


def test_a_space_has_the_settings_and_no_secret(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "webchat.toml").write_text(SETTINGS)
    rules = '[[moderators]]\nkind = "phrases"\naction = "block"\nfile = "words/bad.txt"\n'
    (here / "my-rules.toml").write_text(rules)
    (here / "words").mkdir()
    (here / "words" / "bad.txt").write_text("forbidden\n")
    assert run(["space", "build", "made"]) == 0
    made = here / "made"
    said = capsys.readouterr().out
    for path in made.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    for name in ("OPENAI_API_KEY", "WEBCHAT_COOKIE_SECRET", "MODEL_1_API_KEY"):
        assert name in said
    front = (made / "README.md").read_text(encoding="utf-8").split("---")[1]
    assert "hf_oauth: true\nhf_oauth_scopes:\n- email\n" in front
    readme = (made / "README.md").read_text(encoding="utf-8")
    assert "models.example.com, other.example.com" in readme
    for name in ("OPENAI_API_KEY", "MODEL_1_API_KEY"):
        assert f"| Secret | `{name}` | The endpoint's key |" in readme

    environ = {
        "SPACE_ID": "a/b",
        "SPACE_HOST": "a-b.hf.space",
        "OPENAI_API_KEY": KEY,
        "MODEL_1_API_KEY": KEY,
        "WEBCHAT_COOKIE_SECRET": KEY * 3,
    }
    assert "port" not in tomllib.loads((made / "webchat.toml").read_text(encoding="utf-8"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        there = load_settings(environ=environ, cwd=made).settings
    mine = load_settings(environ={}, cwd=here).settings
    assert there.model_dump(
        include={"endpoint", "system_prompt", "temperature", "sign_in"}
    ) == mine.model_dump(include={"endpoint", "system_prompt", "temperature", "sign_in"})
    assert there.models[0].api_key == mine.models[0].api_key
    assert there.models[0].stop == ("</s>",)
    assert there.public_url == "https://a-b.hf.space"
    assert (made / "rules" / "words" / "bad.txt").read_text() == "forbidden\n"


def test_a_key_that_no_endpoint_needs_stays_here(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert run(["space", "build", "made", "--model", "Qwen/Qwen3-1.7B"]) == 0
    assert "OPENAI_API_KEY" not in capsys.readouterr().out


def test_the_readme_of_a_space_without_a_key_says_where_it_goes(here: Path) -> None:
    assert run(["space", "build", "made", "--endpoint", "https://models.example.com/v1"]) == 0
    readme = (here / "made" / "README.md").read_text(encoding="utf-8")
    assert "| Secret | `OPENAI_API_KEY` | The endpoint's key, if it needs one |" in readme


def test_two_files_of_one_name_stay_two(here: Path) -> None:
    text = ""
    for number in ("one", "two"):
        (here / number).mkdir()
        (here / number / "model.gguf").write_text(f"GGUF {number}")
        text += f'[[models]]\nname = "{number}"\nmodel = "{number}/model.gguf"\n'
    (here / "webchat.toml").write_text(text)
    assert run(["space", "build", "made"]) == 0
    tables = tomllib.loads((here / "made" / "webchat.toml").read_text(encoding="utf-8"))["models"]
    assert [(here / "made" / table["model"]).read_text() for table in tables] == ["GGUF one", "GGUF two"]


def test_building_again_replaces_what_it_wrote_and_nothing_else(here: Path) -> None:
    assert run(["space", "build", "made", "--endpoint", "https://a.example/v1"]) == 0
    stale = here / "made" / "webchat" / "stale.py"
    stale.touch()
    (here / "made" / ".git").mkdir()
    assert run(["space", "build", "made"]) == 0
    assert not stale.exists()
    assert not (here / "made" / "webchat.toml").exists()
    assert (here / "made" / ".git").exists()
    assert (here / "made" / "app.py").read_text().startswith(MARK)


def test_a_fresh_clone_of_a_space_is_a_place_for_one(here: Path) -> None:
    (here / "clone" / ".git").mkdir(parents=True)
    (here / "clone" / "README.md").write_text("---\nsdk: gradio\n---\n")
    assert run(["space", "build", "clone"]) == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["build", "full"], "contains other files: thesis.txt"),
        (["build", "of_another_app"], "contains other files: app.py"),
        (["build", "full/thesis.txt"], "is a file"),
        (["build", "x", "--kind", "gpus"], "the kinds are endpoint, embedded, gpu, zerogpu"),
        (["build", "x", "--endpoint", "http://127.0.0.1:8000/v1"], "is not on the internet"),
        (["build", "x", "--endpoint", "https://a.example:5000/v1"], "80, 443 and 8080"),
        (["build", "x", "--endpoint", "https://a.example/v1", "--kind", "zerogpu"], "--kind endpoint or"),
        (["build", "x", "--model", "here.gguf", "--kind", "gpu"], "Use --kind embedded"),
        (["build", "x", "--model", "gone.gguf"], "There is no file gone.gguf. Check the path"),
        (["build", "x", "--model", "./gone"], "There is no folder ./gone. Check the path"),
        (["push", "a/b", "--model", "./gone"], "There is no folder ./gone. Check the path"),
        (["build", "x", "--model", "broken.gguf"], "is not a GGUF file"),
        (["build", "x", "--model", "./checkpoint"], "Upload it to the Hub"),
        (["build", "x", "--function", "app:respond"], "A Space runs models and endpoints only"),
        (["push", "no-owner"], "give OWNER/NAME"),
        (["push", "a/b", "--variable", "novalue"], "is not NAME=VALUE"),
        (["push", "a/b", "--secret", "UNSET_SECRET"], "UNSET_SECRET has no value"),
        (["push", "a/b", "--sleep-after", "soon"], "whole number of minutes"),
        (["push", "a/b"], "set HF_TOKEN"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    here: Path,
    flags: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    (here / "full").mkdir()
    (here / "full" / "thesis.txt").write_text("years of work")
    (here / "of_another_app").mkdir()
    (here / "of_another_app" / "app.py").write_text("import gradio\n")
    (here / "checkpoint").mkdir()
    (here / "checkpoint" / "config.json").write_text("{}")
    (here / "here.gguf").write_text("GGUF")
    (here / "broken.gguf").write_text("half")
    before = sorted(here.rglob("*"))
    assert run(["space", *flags]) == 2
    assert said in capsys.readouterr().err
    assert sorted(here.rglob("*")) == before


def test_the_versions_fit_what_the_host_installs_beside_them() -> None:
    """The host installs `gradio[oauth,mcp]` too: a pin outside what that accepts makes no Space at all."""
    from importlib.metadata import requires

    from packaging.requirements import Requirement

    from webchat.commands.space.kinds import KINDS
    from webchat.commands.space.pins import requirements

    asked = [Requirement(line) for line in requires("gradio") or ()]
    wanted = [one for one in asked if one.marker is None or one.marker.evaluate({"extra": "mcp"})]
    for kind in KINDS.values():
        pinned = dict(line.split("==") for line in requirements(kind).split())
        wrong = [str(one) for one in wanted if one.name in pinned and pinned[one.name] not in one.specifier]
        assert not wrong, kind.name
        assert ("torch" in pinned) == kind.local
    assert pins()[""]["gradio"]
