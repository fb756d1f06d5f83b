"""Every setting, wrong once, in every source: the sentence names key, source, value and what is allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from webchat.settings import BadSettings, ModelSettings, Settings, load_settings
from webchat.settings.load import allowed, flag_of, is_secret

CANARY = "canary-8d2f"

WRONG: dict[str, Any] = {
    "host": "not a host",
    "port": 65536,
    "share": "perhaps",
    "open_browser": "sometimes",
    "root_path": "chat/",
    "public_url": "chat.example.com",
    "allowed_origins": ["https://example.com/path"],
    "trusted_proxies": ["10.0.0.0/33"],
    "trusted_networks": ["school"],
    "sign_in": "telepathy",
    "oidc_issuer": "sso.example.org",
    "oidc_client_id": 3,
    "oidc_client_secret": 3,
    "oidc_scopes": ["open id"],
    "oidc_name": 3,
    "allowed_people": ["everyone"],
    "operator_people": ["the boss"],
    "proxy_header": "X-Forwarded-For",
    "proxy_email_header": "Remote Email",
    "proxy_name_header": "Remote_Name",
    "proxy_groups_header": "cookie",
    "proxy_keys_url": "http://keys.example.org/jwks",
    "proxy_issuer": 3,
    "proxy_audience": 3,
    "proxy_sign_out_url": "//evil.example",
    "embed": "no way",
    "cookie_secret": CANARY,
    "masking_secret": CANARY,
    "backup_key": CANARY,
    "snapshots": "a/relative/folder",
    "snapshots_every": 0,
    "snapshots_keep": 1,
    "snapshots_name": "two words",
    "ephemeral": "perhaps",
    "data_dir": str(Path(__file__)),
    "cache_dir": str(Path(__file__)),
    "database_url": f"mysql://root:{CANARY}@host/name",
    "trash_days": -1,
    "decisions_days": 0,
    "decisions_content": "perhaps",
    "webhooks_private": "perhaps",
    "masking": "sometimes",
    "masking_keep": "plain",
    "model": 3,
    "endpoint": f"http://me:{CANARY}@host/v1",
    "function": "app.py:respond",
    "api_key": 3,
    "models": "one, two",
    "default_model": 3,
    "system_prompt": 3,
    "hf_token": 3,
    "hf_home": str(Path(__file__)),
    "language": "fr",
    "inspect": "many",
    "titles": "many",
    "shares": "some",
    "visitor_shares": "some",
    "starters": "some",
    "context_overflow": "wrap",
    "moderation": "/no/such/rules.toml",
    "max_message_chars": 0,
    "max_body_bytes": 100,
    "max_turns_per_owner": 0,
    "max_turns_per_link": 0,
    "max_turns_per_network": "many",
    "max_turns": "all",
    "disk_reserve": "half",
    "compare_wait": -1,
    "shutdown_grace": -1,
    "log_level": "loud",
    "log_format": "xml",
    "metrics_port": 65536,
    "metrics_host": "not a host",
    "otlp_endpoint": "collector:4318",
    "revision": 3,
    "rewrites": "perhaps",
    "load_in_8bit": 2,
    "load_in_4bit": "half",
    "chat_template_file": "/no/such/file.jinja",
    "trust_remote_code": "never ever",
    "context_length": 3,
    "threads": 0,
    "slots": 257,
    "cache_tokens": 10,
    "quantization": "int3",
    "adapters": 5,
    "memory_budget": 0,
    "device": "gpu",
    "dtype": "float8",
    "gpu_layers": -1,
    "routing_header": "Authorization",
    "first_token_timeout": 0,
    "next_token_timeout": "long",
    "reasoning_marks": ["<why>"],
    "temperature": 2.5,
    "top_p": 0,
    "top_k": 0,
    "min_p": 1.5,
    "repetition_penalty": 0,
    "max_tokens": 0,
    "seed": -1,
    "stop": [3],
}

WRONG_OF_A_MODEL: dict[str, Any] = {
    **{name: WRONG[name] for name in ModelSettings.model_fields if name in WRONG},
    "name": 3,
    "kind": 3,
    "api_key_env": 3,
    "demo": "very",
    "adapter": 3,
    "leave_out": ["messages"],
    "pinned": "very",
}

# A variable or flag is text, and any text is good for these.
ANY_TEXT = {
    "oidc_client_id",
    "oidc_client_secret",
    "oidc_name",
    "proxy_issuer",
    "proxy_audience",
    "model",
    "api_key",
    "default_model",
    "system_prompt",
    "hf_token",
    "revision",
    "stop",
    "adapters",
}


def test_every_setting_has_a_wrong_value() -> None:
    assert WRONG.keys() == Settings.model_fields.keys()
    assert WRONG_OF_A_MODEL.keys() == ModelSettings.model_fields.keys()


def refusal(**sources: Any) -> str:
    with pytest.raises(BadSettings) as caught:
        load_settings(sources.get("flags"), environ=sources.get("environ", {}), cwd=sources["cwd"])
    return str(caught.value)


def toml(value: Any) -> str:
    return json.dumps(value)  # texts, numbers, lists and booleans are written alike


def check(said: str, name: str, value: Any, origin: str) -> None:
    info = Settings.model_fields[name]
    assert name in said
    assert origin in said
    assert allowed(info) in said
    assert CANARY not in said
    if not is_secret(info) and isinstance(value, int | float):
        assert str(value) in said


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_in_the_file_is_explained(name: str, tmp_path: Path) -> None:
    (tmp_path / "webchat.toml").write_text(f"{name} = {toml(WRONG[name])}\n")
    check(refusal(cwd=tmp_path), name, WRONG[name], "webchat.toml")


@pytest.mark.parametrize("name", sorted(WRONG.keys() - ANY_TEXT))
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_a_wrong_variable_is_explained(name: str, place: str, tmp_path: Path) -> None:
    value = WRONG[name]
    variable = f"WEBCHAT_{name.upper()}"
    text = json.dumps(value) if isinstance(value, list) else str(value)
    environ = {variable: text} if place == "environment" else {}
    if place == ".env":
        (tmp_path / ".env").write_text(f"{variable}='{text}'\n")
    check(refusal(environ=environ, cwd=tmp_path), name, value, variable)


@pytest.mark.parametrize("name", [name for name in WRONG if flag_of(name) and name not in ANY_TEXT])
def test_a_wrong_flag_is_explained(name: str, tmp_path: Path) -> None:
    value = WRONG[name]
    flags = {name: json.dumps(value) if isinstance(value, list) else str(value)}
    check(refusal(flags=flags, cwd=tmp_path), name, value, flag_of(name))


@pytest.mark.parametrize("name", WRONG_OF_A_MODEL)
@pytest.mark.parametrize("place", ["file", "environment"])
def test_a_wrong_value_of_a_model_is_explained(name: str, place: str, tmp_path: Path) -> None:
    table = {"model": "a/b", "api_key": CANARY} | {name: WRONG_OF_A_MODEL[name]}
    environ = {}
    if place == "file":
        lines = "".join(f"{key} = {toml(value)}\n" for key, value in table.items())
        (tmp_path / "webchat.toml").write_text("[[models]]\n" + lines)
    else:
        environ = {"WEBCHAT_MODELS": json.dumps([table])}
    said = refusal(environ=environ, cwd=tmp_path)
    assert name in said
    assert "models" in said
    assert allowed(ModelSettings.model_fields[name]) in said
    assert CANARY not in said


@pytest.mark.parametrize(
    ("source", "key", "meant"),
    [
        ("file", "prot", "port"),
        ("variable", "WEBCHAT_PROT", "WEBCHAT_PORT"),
        ("variable", "WEBCHAT_OPEN", "WEBCHAT_OPEN_BROWSER"),
        ("file", "open", "open_browser"),
        (".env", "WEBCHAT_MAX_TOKEN", "WEBCHAT_MAX_TOKENS"),
        ("model", "temperatur", "temperature"),
    ],
)
def test_an_unknown_key_is_named_with_the_likely_one(
    source: str, key: str, meant: str, tmp_path: Path
) -> None:
    environ = {key: CANARY} if source == "variable" else {}
    if source == ".env":
        (tmp_path / ".env").write_text(f"{key}={CANARY}\n")
    if source in ("file", "model"):
        table = '[[models]]\nmodel = "a/b"\n' if source == "model" else ""
        (tmp_path / "webchat.toml").write_text(f'{table}{key} = "{CANARY}"\n')
    said = refusal(environ=environ, cwd=tmp_path)
    assert key in said
    assert f"Did you mean {meant}?" in said
    assert CANARY not in said


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("port = ", "not valid TOML"),
        ("models = 3", "[[models]]"),
        ('[[models]]\nname = "x"', "model or endpoint is missing"),
        ('[[models]]\nkind = "openai"\nmodel = "x"', "endpoint is missing"),
        ('[[models]]\nmodel = "a"\n[[models]]\nmodel = "b/a"', 'two models are named "a"'),
        ('[[models]]\nmodel = "a"\nload_in_8bit = true\nload_in_4bit = true', "are mutually exclusive"),
        ("load_in_8bit = true\nload_in_4bit = true", "are mutually exclusive"),
        ('quantization = "nf4"\nload_in_8bit = true', "are mutually exclusive"),
        ('[[models]]\nmodel = "a.gguf"\nquantization = "fp16"', "a GGUF file has a fixed quantization"),
        ('model = "a.gguf"\nload_in_4bit = true', "a GGUF file has a fixed quantization"),
        ('endpoint = "http://h"\nadapters = ["a"]', "adapters are for a model in this process"),
        ('[[models]]\nkind = "mine"\nslots = 4', "slots is for the kinds openai, function, llamacpp"),
        (
            '[[models]]\nkind = "mine"\napi_key = "k"',
            "api_key is for the kinds openai, function",
        ),
        ('[[models]]\nkind = "mine"\nendpoint = "http://h"', "a plugin's backend receives only model"),
        ('[[models]]\nendpoint = "http://h"\napi_key_env = "NO_SUCH"', "NO_SUCH"),
        ('host = "0.0.0.0"\naccess = "local"', "only for a loopback address"),
        ('share = true\naccess = "local"', "only for a loopback address"),
        ('public_url = "https://x.org"\naccess = "local"', "only for a loopback address"),
        ('share = true\naccess = "open"', "share needs a door"),
        ('share = true\npublic_url = "https://x.org"', "leave out public_url, or share"),
    ],
)
def test_values_that_do_not_fit_together_are_refused(text: str, part: str, tmp_path: Path) -> None:
    (tmp_path / "webchat.toml").write_text(text)
    assert part in refusal(cwd=tmp_path)


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    assert "none.toml" in refusal(environ={"WEBCHAT_CONFIG": "none.toml"}, cwd=tmp_path)
