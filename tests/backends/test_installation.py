"""What is missing is added to the copy that runs, and no text of ours has anybody install a stranger."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from backends.installation import IMAGE_EXTRAS, NAME, Copy, add_extra, renew
from tests.clean_environment import ROOT

PIP = r"(pip|\S+ -m pip|uv pip) install"


def metadata(folder: Path, direct_url: object) -> Distribution:
    """An installed distribution that came from `direct_url`, or from an index (`None`)."""
    info = folder / "site" / f"{NAME.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n")
    if direct_url is not None:
        (info / "direct_url.json").write_text(json.dumps(direct_url))
    return PathDistribution(info)


def copy(tmp_path: Path, found: Distribution | None, *, space: bool = False) -> Copy:
    return Copy(tmp_path / "site", tmp_path, tmp_path, found, space)


def test_the_name_is_that_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["name"] == NAME


def test_a_checkout_is_added_to_in_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    assert re.fullmatch(rf"{PIP} .*-e '\.\[local\]'".replace(" .*-e", " -e"), add_extra("local"))
    assert renew().startswith("git -C . pull && ")
    monkeypatch.chdir(tmp_path)
    assert f"'{ROOT}[local]'" in add_extra("local")


def test_the_pip_named_is_that_of_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", "/somewhere/my env/bin/python")
    assert add_extra("plot").startswith("'/somewhere/my env/bin/python' -m pip install ")
    monkeypatch.setattr("backends.installation.find_spec", lambda name: None)
    assert add_extra("plot").startswith("uv pip install --python '/somewhere/my env/bin/python' ")


@pytest.mark.parametrize(
    ("direct_url", "requirement"),
    [
        (None, f"'{NAME}[local]'"),
        ({"url": "file:///gone/wheel-1.0.whl", "archive_info": {}}, f"'{NAME}[local]'"),
        ({"url": "file:///gone", "dir_info": {}}, f"'{NAME}[local]'"),
        ({"url": "https://x.test/w.whl", "archive_info": {}}, f"'{NAME}[local] @ https://x.test/w.whl'"),
        ({"url": "https://x.test/w", "vcs_info": {"vcs": "git"}}, f"'{NAME}[local] @ git+https://x.test/w'"),
    ],
)
def test_a_package_is_asked_for_as_it_came(direct_url: object, requirement: str, tmp_path: Path) -> None:
    command = copy(tmp_path, metadata(tmp_path, direct_url)).add_extra("local")
    assert re.fullmatch(rf"{PIP} {re.escape(requirement)}|.*--python \S+ {re.escape(requirement)}", command)


def test_a_folder_or_wheel_that_still_exists_is_used_again(tmp_path: Path) -> None:
    source = tmp_path / "its source"
    source.mkdir()
    found = metadata(tmp_path, {"url": source.as_uri(), "dir_info": {}})
    assert copy(tmp_path, found).add_extra("local").endswith(f" '{source}[local]'")
    assert copy(tmp_path, found).renew().endswith(f" --upgrade '{source}'")


def test_pipx_and_uv_install_into_their_own_environments(tmp_path: Path) -> None:
    found = metadata(tmp_path, None)
    (tmp_path / "uv-receipt.toml").touch()
    assert copy(tmp_path, found).add_extra("local") == f"uv tool install --force '{NAME}[local]'"
    (tmp_path / "pipx_metadata.json").touch()
    assert copy(tmp_path, found).add_extra("local") == f"pipx install --force '{NAME}[local]'"


def test_an_image_and_a_space_are_built_again(tmp_path: Path) -> None:
    assert copy(tmp_path, None, space=True).add_extra("local") == "python deploy/space/build.py FOLDER local"
    (tmp_path / IMAGE_EXTRAS).write_text("llamacpp,postgres\n")
    command = copy(tmp_path, metadata(tmp_path, None)).add_extra("local")
    assert "--build-arg EXTRAS=llamacpp,postgres,local" in command
    assert "image-extras" in (ROOT / "deploy/Dockerfile").read_text("utf-8")


def test_no_text_installs_the_stranger_of_the_same_name() -> None:
    """Wherever an install command stands, `webchat` as a requirement is another project of the index."""
    stranger = re.compile(
        r"\b(?:pip3?|pipx|uv)\b[^\n#]*\binstall\b[^\n#]*[\s'\"=]webchat(?=[\[\s'\"=<>~!]|$)|dependencies\s*=\s*\[\s*\"webchat\""
    )
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    looked_at = 0
    for name in listed.stdout.split("\n"):
        path = ROOT / name
        if not path.is_file() or "/vendor/" in name or path.resolve() == Path(__file__).resolve():
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        looked_at += 1
        assert not (found := stranger.search(text)), f"{name}: {found[0] if found else ''}"
    assert looked_at > 300
    assert stranger.search("pip install 'webchat[local]'")
    assert stranger.search("pip install -U webchat)".replace(")", " "))
    assert not stranger.search(f"/opt/webchat/bin/pip install '{NAME}[local]'")
