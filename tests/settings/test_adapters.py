"""Which models adapters make: each one more in the picker, named so that people can tell them apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backends.options import LlamaCppOptions, LocalOptions
from webchat.models import configured
from webchat.settings import BadSettings, ModelSettings, Settings, check_models, model_specs


def adapter_folder(folder: Path, base: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
    return folder


def names(settings: Settings) -> list[str]:
    return [spec.name for spec in model_specs(settings, has=lambda package: True)]


def test_an_adapters_folder_is_a_model_and_so_is_the_one_under_it(tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "polite", "org/Base-1B")
    adapter, base = model_specs(Settings(model=str(folder)))
    assert (adapter.name, adapter.model, adapter.adapter) == ("polite", "org/Base-1B", str(folder))
    assert (base.name, base.model, base.adapter) == ("Base-1B", "org/Base-1B", None)


def test_more_adapters_stand_beside_an_adapters_folder(tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "polite", "org/Base-1B")
    found = names(Settings(model=str(folder), adapters=("org/rude",)))
    assert found == ["polite", "Base-1B", "Base-1B + rude"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            Settings(model="org/Base", adapters=("./a", "org/b")),
            ["Base", "Base + a", "Base + b"],
        ),
        (Settings(model="m.gguf", adapters=("x/a.gguf",)), ["m", "m + a"]),
        (Settings(adapters=("x/a.gguf",)), ["SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct + a"]),
        (
            Settings(models=(ModelSettings(model="org/Base", name="Bot", adapters=("./a/",)),)),
            ["Bot", "Bot + a"],
        ),
        (
            Settings(model="org/Base", adapters=("./mon/checkpoint-100", "./tue/checkpoint-100", "c")),
            ["Base", "Base + mon/checkpoint-100", "Base + tue/checkpoint-100", "Base + c"],
        ),
    ],
    ids=["local", "gguf", "demo", "table", "alike"],
)
def test_each_adapter_is_one_more_model(settings: Settings, expected: list[str]) -> None:
    assert names(settings) == expected


def test_adapters_of_one_base_are_given_the_same_place_to_share_it(tmp_path: Path) -> None:
    settings = Settings(
        models=(
            ModelSettings(model="org/Base", adapters=("a", "b")),
            ModelSettings(model="m.gguf", adapters=("x.gguf", "y.gguf")),
        )
    )
    specs = configured(settings)
    local = [spec.options for spec in specs if isinstance(spec.options, LocalOptions)]
    assert [options.adapter for options in local] == [None, "a", "b"]
    assert len({id(options.engines) for options in local}) == 1
    llama = [spec.options for spec in specs if isinstance(spec.options, LlamaCppOptions)]
    assert [options.adapter for options in llama] == [None, Path("x.gguf"), Path("y.gguf")]
    assert {options.adapters for options in llama} == {(Path("x.gguf"), Path("y.gguf"))}
    assert len({id(options.servers) for options in llama}) == 1


def test_an_adapter_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    model = tmp_path / "m.gguf"
    model.write_bytes(b"GGUF")
    specs = model_specs(Settings(model=str(model), adapters=(str(tmp_path / "none.gguf"),)))
    with pytest.raises(BadSettings, match=r"none\.gguf"):
        check_models(specs, has=lambda package: True)
