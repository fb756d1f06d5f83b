"""Which source wins, and what becomes of the models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import ValidationError

from backends.types import Sampling
from webchat.settings import BadSettings, Loaded, ModelSettings, Settings, load_settings, model_specs

SOURCES = ("flag", "variable", "honoured", ".env", "honoured in .env", "file")
ORIGINS = {
    "flag": "--port",
    "variable": "WEBCHAT_PORT",
    "honoured": "GRADIO_SERVER_PORT",
    ".env": ".env: WEBCHAT_PORT",
    "honoured in .env": ".env: GRADIO_SERVER_PORT",
    "file": "webchat.toml: port",
}


def load(
    cwd: Path,
    *,
    flags: dict[str, object] | None = None,
    environ: dict[str, str] | None = None,
    env: str = "",
    toml: str = "",
) -> Loaded:
    (cwd / ".env").write_text(env)
    (cwd / "webchat.toml").write_text(toml)
    return load_settings(flags, environ=environ or {}, cwd=cwd)


@given(ports=st.dictionaries(st.sampled_from(SOURCES), st.integers(0, 65535)))
@examples(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_strongest_source_that_speaks_wins(ports: dict[str, int], tmp_path: Path) -> None:
    def lines(names: dict[str, str], sign: str) -> str:
        return "".join(f"{name}{sign}{ports[source]}\n" for source, name in names.items() if source in ports)

    variables = {"variable": "WEBCHAT_PORT", "honoured": "GRADIO_SERVER_PORT"}
    loaded = load(
        tmp_path,
        flags={"port": str(ports["flag"])} if "flag" in ports else {},
        environ={name: str(ports[source]) for source, name in variables.items() if source in ports},
        env=lines({".env": "WEBCHAT_PORT", "honoured in .env": "GRADIO_SERVER_PORT"}, "="),
        toml=lines({"file": "port"}, " = "),
    )
    speaking = [source for source in SOURCES if source in ports]
    assert loaded.settings.port == (ports[speaking[0]] if speaking else 7860)
    assert loaded.origin("port") == (ORIGINS[speaking[0]] if speaking else "default")


@pytest.mark.parametrize(
    ("variable", "name", "value"),
    [
        ("OPENAI_BASE_URL", "endpoint", "http://host/v1"),
        ("GRADIO_SERVER_NAME", "host", "127.0.0.2"),
        ("GRADIO_SERVER_PORT", "port", 7861),
        ("HF_HOME", "hf_home", Path("/somewhere")),
    ],
)
def test_variables_of_other_programs_are_honoured(
    variable: str, name: str, value: object, tmp_path: Path
) -> None:
    loaded = load(tmp_path, environ={variable: str(value)})
    assert getattr(loaded.settings, name) == value
    assert loaded.origin(name) == variable


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    loaded = load(tmp_path, environ={"WEBCHAT_PORT": "", "DATABASE_URL": ""})
    assert loaded.settings.port == 7860
    assert loaded.settings.database_url is None


def test_the_file_may_have_another_name(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("port = 1234")
    assert load(tmp_path, environ={"WEBCHAT_CONFIG": "other.toml"}).settings.port == 1234


def test_settings_are_frozen_and_the_defaults_read_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBCHAT_PORT", "1")
    settings = Settings()
    assert settings.port == 7860
    with pytest.raises(ValidationError):
        settings.port = 1


@pytest.mark.parametrize(
    ("flags", "environ", "door"),
    [
        ({}, {}, "local"),
        ({"host": "localhost"}, {}, "local"),
        ({"host": "::1"}, {}, "local"),
        ({"host": "127.9.9.9"}, {}, "local"),
        ({"host": "0.0.0.0"}, {}, "link"),
        ({"host": "::"}, {}, "link"),
        ({"host": "chat.lan"}, {}, "link"),
        ({"share": True}, {}, "link"),
        ({"public_url": "https://chat.example.com"}, {}, "link"),
        ({}, {"SPACE_ID": "me/space"}, "open"),
        ({"access": "link"}, {"SPACE_ID": "me/space"}, "link"),
        ({"access": "open", "host": "0.0.0.0"}, {}, "open"),
    ],
)
def test_only_a_loopback_address_has_no_door(
    flags: dict[str, object], environ: dict[str, str], door: str, tmp_path: Path
) -> None:
    assert load(tmp_path, flags=flags, environ=environ).settings.door == door


def test_a_space_may_show_the_app_in_its_frame(tmp_path: Path) -> None:
    settings = load(tmp_path, environ={"SPACE_ID": "me/space"}).settings
    assert settings.embed
    assert settings.host == "0.0.0.0"


@pytest.mark.parametrize(
    ("model", "endpoint", "kind"),
    [
        (None, "http://host/v1", "openai"),
        ("gpt.gguf", "http://host/v1", "openai"),
        ("folder/Model.GGUF", None, "llamacpp"),
        ("Qwen/Qwen3-0.6B", None, "local"),
        ("./checkpoint", None, "local"),
    ],
)
def test_the_kind_follows_from_the_source(model: str | None, endpoint: str | None, kind: str) -> None:
    assert ModelSettings(model=model, endpoint=endpoint).kind == kind


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("localhost:8000", "http://localhost:8000"),
        (" 127.0.0.1:8000/v1/ ", "http://127.0.0.1:8000/v1"),
        ("//gpu-box:8000/v1", "http://gpu-box:8000/v1"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("https://api.example.com/v1/", "https://api.example.com/v1"),
        (
            "https://me.example.com/openai/deployments/d?api-version=1",
            "https://me.example.com/openai/deployments/d?api-version=1",
        ),
    ],
)
def test_an_endpoint_nearby_needs_no_scheme(written: str, taken: str) -> None:
    assert ModelSettings(endpoint=written).endpoint == taken
    assert ModelSettings(endpoint=written).name
    assert ModelSettings(endpoint=written).kind == "openai"
    assert Settings(endpoint=written).endpoint == taken


@pytest.mark.parametrize("written", ["api.example.com/v1", "http:/127.0.0.1", "http://a b/v1", "model"])
def test_an_endpoint_that_is_no_address_is_refused(written: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"endpoint = .* is not valid; allowed: an http"):
        load(tmp_path, flags={"endpoint": written})


def test_without_any_model_it_is_the_embedded_one_or_a_sentence() -> None:
    (spec,) = model_specs(Settings(), has=lambda _: True)
    assert (spec.kind, spec.demo) == ("llamacpp", True)
    with pytest.raises(BadSettings, match=r"--endpoint URL .* install .*\[llamacpp\]"):
        model_specs(Settings(), has=lambda _: False)


def test_the_embedded_model_takes_its_likeliest_words_unless_told_otherwise() -> None:
    (spec,) = model_specs(Settings(), has=lambda _: True)
    assert (spec.temperature, spec.max_tokens) == (0.0, 512)
    (spec,) = model_specs(Settings(temperature=0.7), has=lambda _: True)
    assert (spec.temperature, spec.max_tokens) == (0.7, 512)


def test_the_embedded_model_is_run_as_the_settings_say() -> None:
    (spec,) = model_specs(Settings(threads=1, context_length=512), has=lambda _: True)
    assert (spec.demo, spec.threads, spec.context_length) == (True, 1, 512)


SERVE = """
import sys, types
server = types.ModuleType("webchat.server")
def serve(settings, **_):
    from huggingface_hub import constants
    print(constants.HF_HOME)
server.serve = serve
sys.modules["webchat.server"] = server
from webchat.cli import run
assert "huggingface_hub" not in sys.modules
sys.exit(run(["--endpoint", "http://127.0.0.1:9", *sys.argv[1:]]))
"""


def test_where_models_are_kept_is_known_to_the_hub_when_it_is_imported(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVE, "--hf-home", str(tmp_path / "models")],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.stdout.strip() == str(tmp_path / "models"), done.stderr


def test_the_shortcut_stands_before_the_list(tmp_path: Path) -> None:
    toml = """
        temperature = 0.5
        system_prompt = "Be brief."
        [[models]]
        name = "one"
        endpoint = "http://host/v1"
        api_key_env = "ONE_KEY"
        temperature = 0.1
        [[models]]
        model = "folder/two.gguf"
        system_prompt = "Be long."
        stop = ["END"]
    """
    loaded = load(tmp_path, flags={"model": "me/three"}, environ={"ONE_KEY": "k"}, toml=toml)
    three, one, two = model_specs(loaded.settings)
    assert [(spec.name, spec.kind) for spec in (three, one, two)] == [
        ("three", "local"),
        ("one", "openai"),
        ("two", "llamacpp"),
    ]
    assert one.api_key is not None
    assert one.api_key.get_secret_value() == "k"
    assert one.sampling() == Sampling(temperature=0.1)
    assert two.sampling() == Sampling(temperature=0.5, stop=("END",))
    assert (three.system_prompt, one.system_prompt, two.system_prompt) == (
        "Be brief.",
        "Be brief.",
        "Be long.",
    )


def test_the_default_model_comes_first_and_must_exist() -> None:
    models = (ModelSettings(model="a"), ModelSettings(model="b"))
    assert [spec.name for spec in model_specs(Settings(models=models, default_model="b"))] == ["b", "a"]
    with pytest.raises(BadSettings, match="allowed: a, b"):
        model_specs(Settings(models=models, default_model="c"))


def test_a_file_named_by_flag_wins_over_an_endpoint_from_the_environment(tmp_path: Path) -> None:
    environ = {"OPENAI_BASE_URL": "http://host/v1", "OPENAI_API_KEY": "k"}
    (spec,) = model_specs(load(tmp_path, flags={"model": "x.gguf"}, environ=environ).settings)
    assert (spec.kind, spec.api_key) == ("llamacpp", None)
    (spec,) = model_specs(load(tmp_path, flags={"model": "gpt-x"}, environ=environ).settings)
    assert (spec.kind, spec.model) == ("openai", "gpt-x")
