"""From a kind to a backend: built-ins, plug-ins, and nothing loaded that was not asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from backends.echo import EchoBackend
from backends.errors import ModelNotFound, ModelUnsupported
from backends.options import BackendOptions, EndpointOptions, LlamaCppOptions, LocalOptions
from backends.registry import BUILT_IN, create, factory, kinds


def test_a_built_in_is_made_with_its_options() -> None:
    backend = create("echo", {"model": "parrot"})
    assert isinstance(backend, EchoBackend)
    assert backend.model == "parrot"


@pytest.mark.parametrize("kind", sorted(BUILT_IN))
def test_every_built_in_says_its_own_kind(kind: str) -> None:
    assert getattr(factory(kind), "kind", None) == kind


@pytest.mark.parametrize("kind", [EndpointOptions, LlamaCppOptions, LocalOptions])
def test_every_option_is_explained(kind: type[BackendOptions]) -> None:
    said = " ".join(parent.__doc__ or "" for parent in kind.__mro__)
    explained = {
        name for names in re.findall(r"((?:\w+,\s)*\w+):", said) for name in re.findall(r"\w+", names)
    }
    assert {one.name for one in fields(kind)} - explained == set()


def test_an_unknown_kind_is_refused_with_the_choice_there_is() -> None:
    with pytest.raises(ModelNotFound) as caught:
        create("nonsense")
    assert "nonsense" in caught.value.message
    assert all(kind in caught.value.cure for kind in BUILT_IN)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with three entry points: a good one, a broken one, one with a built-in's name."""
    info = tmp_path / "plugged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    points = "mine = plugged_module:Mine\nbroken = plugged_nowhere:Mine\necho = plugged_module:Mine\n"
    (info / "entry_points.txt").write_text(f"[webchat.backends]\n{points}")
    module = "from backends.echo import EchoBackend\nclass Mine(EchoBackend):\n    kind = 'mine'\n"
    (tmp_path / "plugged_module.py").write_text(module)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "plugged_module", raising=False)
    return tmp_path


def test_a_plug_in_is_loaded_when_asked_for_and_not_before(plugin: Path) -> None:
    assert {"mine", "broken", "echo"} <= set(kinds())
    assert type(create("echo")) is EchoBackend
    assert "plugged_module" not in sys.modules
    assert create("mine", {"model": "m"}).kind == "mine"


def test_a_plug_in_that_cannot_be_loaded_says_so(plugin: Path) -> None:
    with pytest.raises(ModelUnsupported, match="broken"):
        create("broken")


def test_importing_backends_loads_no_engine() -> None:
    heavy = "{'torch', 'transformers', 'xllamacpp', 'httpx', 'gguf'}"
    code = f"import sys, backends, backends.registry; print(sorted({heavy} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
