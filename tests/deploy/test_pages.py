"""The pages of the documentation say what the code does: their tables, links and commands."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.clean_environment import ROOT
from tests.conftest import MODELS
from tests.pages import blocks, environment, headings, links, run
from tests.reference import FILES, MARKERS, TABLES, pages, with_tables
from webchat.cli import command_parser, refuse_unknown_flags
from webchat.sentences import locale

PAGES = [path.relative_to(ROOT) for path in pages()]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_tables_of_a_page_are_those_of_the_code(page: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert with_tables(text) == text, "run: make reference"


@pytest.mark.parametrize("name", FILES)
def test_a_generated_file_is_as_the_code_has_it(name: str) -> None:
    assert FILES[name]() == (ROOT / name).read_text(encoding="utf-8"), "run: make reference"


def test_every_table_is_on_one_page() -> None:
    found = [name for page in pages() for name, _ in MARKERS.findall(page.read_text(encoding="utf-8"))]
    assert sorted(found) == sorted(TABLES)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target, heading in links(ROOT / page):
        assert target.exists(), target
        assert not heading or heading in headings(target), f"{target}#{heading}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "walkthroughs"], ids=str)
def test_every_file_of_the_project_that_a_page_names_exists(page: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for name in re.findall(r"`((?:backends|webchat|tests|turns|deploy)/[\w./-]+)`", text):
        assert (ROOT / name).exists() or (ROOT / "webchat" / name).exists(), name


def commands(page: Path, name: str) -> list[str]:
    """The commands of a page that begin so, in its blocks and in its sentences."""
    text = MARKERS.sub("", (ROOT / page).read_text(encoding="utf-8"))
    lines = [line for block in blocks(ROOT / page) if block.language in ("", "sh") for line in block.commands]
    found = [
        *(part for line in lines for part in line.split(" && ")),
        *re.findall(rf"`({name} [^`…]+)`", text),
    ]
    return [command for command in found if command.split()[0] == name]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_of_a_page_is_understood(page: Path) -> None:
    parser = command_parser()
    for command in commands(page, "webchat"):
        _, *arguments = shlex.split(command)
        refuse_unknown_flags(arguments, parser)
        parser.parse_args(arguments)


# Not run here: `git clone`, which has no address, and `make` and `pip`, which need the network and minutes
# (`make test` runs this very test). That their targets and extras exist is checked.
def test_what_the_readme_makes_and_installs_exists() -> None:
    for command in commands(Path("README.md"), "make"):
        subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, check=True, capture_output=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {f".[{extra}]" for extra in project["optional-dependencies"]}
    installs = commands(Path("README.md"), "pip")
    assert installs
    for command in installs:
        assert shlex.split(command)[2] in {".", *extras}
        assert all((ROOT / word).exists() for word in shlex.split(command)[4:])


@pytest.mark.parametrize("command", dict.fromkeys(commands(Path("README.md"), "webchat")))
def test_the_readme_s_commands_run(command: str, tmp_path: Path, demo_gguf: Path, demo_folder: Path) -> None:
    (tmp_path / "model.gguf").symlink_to(demo_gguf)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/step-4000").symlink_to(demo_folder)
    (tmp_path / "app.py").write_text("def respond(message, history):\n    return message\n", encoding="utf-8")
    data = {"WEBCHAT_DATA_DIR": str(tmp_path / "data"), "WEBCHAT_CACHE_DIR": str(MODELS.parent)}
    run(command, tmp_path, {**environment(ROOT), **data}, preloaded=True)


EMPHASIS = re.compile(r"(?<![*\w])\*(?!\*)([^*\n]+(?:\n[^*\n]+)?)\*(?!\*)")
NOT_OURS = (
    *("export data", "my activity", "aud tag", "dashboards", "new", "import"),  # of other products
    *("key", "fails with", "unreleased", "write a letter", "testers' ratings", "support"),  # of examples
    *("lease", "session", "what is while?", "withheld by the moderation rules"),
)
"""Emphasised, and no name in the chat or the console."""


def test_names_in_the_interface_are_those_it_shows() -> None:
    gate = (ROOT / "webchat/auth/gate.html").read_text(encoding="utf-8")
    shown = {_name(text) for text in (*locale("en").values(), *re.findall(r'"([^"\n]+)"', gate), *NOT_OURS)}
    bare = {one: re.sub(r"\{\w+\}", "", one) for one in shown if "{" in one}
    filled = [re.sub(r"\\{\w+\\}", ".+", re.escape(one)) for one, words in bare.items() if len(words) > 4]
    for page in PAGES:
        text = MARKERS.sub("", (ROOT / page).read_text(encoding="utf-8"))
        text = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
        for said in EMPHASIS.findall(text):
            if said.startswith(("review the message", 'The "while"')):  # sentences
                continue
            for name in map(_name, said.split("→")):
                assert name in shown or re.fullmatch("|".join(filled), name), f"{page}: {said}"


def _name(text: str) -> str:
    return " ".join(text.split()).strip('.…:[]" ').lower()
