"""The composition root: every setting of a model reaches the backend that takes it."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import webchat.app
from backends.echo import EchoBackend
from backends.llamacpp import Servers
from backends.local import Engines
from backends.markers.marks import Marks
from backends.openai_compat import Timeouts
from backends.registry import factory
from webchat.app import _purge, build_app
from webchat.engine import _give_templates
from webchat.models import Models, ModelSpec
from webchat.models.configured import Shared, spec_of
from webchat.models.learned import LearnedFile
from webchat.settings import ModelSettings, Settings
from webchat.settings.engine import EngineFields
from webchat.store import Store
from webchat.store.decision_records import LoggedDecision
from webchat.store.link_records import LinkTerms

ENGINE: dict[str, Any] = {
    "revision": "v1",
    "load_in_8bit": True,
    "load_in_4bit": False,
    "trust_remote_code": True,
    "context_length": 777,
    "threads": 3,
    "slots": 5,
    "cache_tokens": 4096,
    "quantization": None,
    "device": "cuda:1",
    "dtype": "float16",
    "gpu_layers": 9,
    "first_token_timeout": 900.0,
    "next_token_timeout": 30.0,
    "reasoning_marks": ["<why>...</why>"],
    "rewrites": True,
    "routing_header": "X-User-Id",
}
TIMEOUTS = {"first_token_timeout", "next_token_timeout"}
MADE = {*TIMEOUTS, "reasoning_marks"}
"""What the options have in another form."""
MODELS: dict[str, dict[str, Any]] = {
    "openai": {"endpoint": "http://host/v1", "model": "a", "api_key": "key"},
    "llamacpp": {"model": "/models/a.gguf"},
    "demo": {"kind": "llamacpp", "demo": True},
    "local": {"model": "me/model"},
    "function": {"function": "json:dumps"},
}
TAKEN = {
    "openai": {"context_length", "timeouts", "marks", "routing_header"},
    "llamacpp": {"context_length", "threads", "slots", "gpu_layers", "chat_template", "marks"},
    "demo": {"context_length", "threads", "slots", "gpu_layers", "chat_template", "marks"},
    "local": ENGINE.keys() - {"gpu_layers", "rewrites", "routing_header", *MADE} | {"chat_template", "marks"},
    "function": {"context_length", "slots", "rewrites", "marks"},
}


@pytest.mark.parametrize("kind", MODELS)
def test_each_engine_is_given_what_it_takes(kind: str, tmp_path: Path) -> None:
    template = tmp_path / "chat.jinja"
    template.write_text("{{ messages }}")
    # Elsewhere they are refused.
    chosen = {**ENGINE, "load_in_8bit": kind == "local", "rewrites": kind == "function"}
    model = ModelSettings(**{**chosen, **MODELS[kind], "chat_template_file": template})
    spec = spec_of(model, Settings(hf_token=SecretStr("hf_token")), Shared(Engines(), Servers()))
    timeouts = Timeouts(first_token=900.0, next_token=30.0)
    marks = (Marks(("<why>",), ("</why>",)),)
    given = {**chosen, "chat_template": "{{ messages }}", "timeouts": timeouts, "marks": marks}
    assert spec.kind == kind
    assert spec.titles == (kind not in ("demo", "function"))
    assert {name for name in given if hasattr(spec.options, name)} == TAKEN[kind]
    assert all(getattr(spec.options, name) == given[name] for name in TAKEN[kind])
    assert inspect.signature(factory(kind)).parameters["options"].annotation == type(spec.options).__name__


def test_an_endpoint_is_given_what_to_leave_out_and_a_memory(tmp_path: Path) -> None:
    model = ModelSettings(endpoint="http://127.0.0.1:9", leave_out=("seed",))
    spec = spec_of(model, Settings(data_dir=tmp_path), Shared(Engines(), Servers()))
    assert spec.endpoint.leave_out == ("seed",)
    assert isinstance(spec.endpoint.memory, LearnedFile)


def test_no_setting_of_an_engine_is_taken_by_none() -> None:
    assert EngineFields.model_fields.keys() - {"chat_template_file", "adapters"} == ENGINE.keys()
    assert ENGINE.keys() - MADE <= set().union(*TAKEN.values())


async def test_the_start_names_the_links_whose_moderation_profile_is_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[profiles.study]]\nkind = "phrases"\nphrases = ["rival"]\n', encoding="utf-8")
    app = build_app(Settings(data_dir=tmp_path, moderation=rules), backends={"echo": EchoBackend()})
    for name, profile in (("A", "study"), ("B", "gone"), ("C", "")):
        terms = LinkTerms(moderation_profile=profile)
        app.store.create_link(name, name, None, terms)
    async with app.lifespan(None):
        said = [record.getMessage() for record in caplog.records if "profile" in record.getMessage()]
    assert len(said) == 1
    assert said[0].startswith('link "B": the moderation profile "gone" is not in the rules file')


async def test_the_log_of_moderation_is_kept_for_the_days_that_were_set(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'chat.db'}")
    now = datetime.now(UTC)
    one = LoggedDecision(now, "words", "words", "input", "block", None, None, None, None, 0, 1)
    store.add_decisions([replace(one, at=now - timedelta(days=days)) for days in (1, 6, 8, 400)])
    purging = asyncio.create_task(_purge(store, Settings(decisions_days=7)))
    async with asyncio.timeout(60):
        while len(store.decisions().items) > 2:  # noqa: ASYNC110  the store has no event for it
            await asyncio.sleep(0.01)
    purging.cancel()
    assert [(now - kept.at).days for kept in store.decisions().items] == [6, 1]
    store.close()


async def test_a_clock_that_was_set_forward_deletes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'chat.db'}")
    now = datetime.now(UTC)
    store.add_decisions(
        [LoggedDecision(now, "words", "words", "input", "block", None, None, None, None, 0, 1)]
    )
    year = timedelta(days=366)

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Later:
            return cls.fromtimestamp(now.timestamp(), tz) + year

    monkeypatch.setattr(webchat.app, "datetime", Later)
    looks = iter([0.0])  # at the start
    monkeypatch.setattr(webchat.app, "_ahead", lambda: next(looks, year.total_seconds()))
    purging = asyncio.create_task(_purge(store, Settings(decisions_days=7)))
    while "the clock was set forward" not in caplog.text:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    purging.cancel()
    assert len(store.decisions().items) == 1
    store.close()


async def test_a_chat_template_that_was_saved_is_in_force_after_a_restart(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'chat.db'}")
    try:
        ada = store.create_owner("operator", "Ada").id
        for model, text in (("m", "{{ 1 }}"), ("back", "{{ 1 }}"), ("gone", "{{ 1 }}")):
            store.change_chat_template(ada, model, text)
        store.change_chat_template(ada, "back", None, based_on=1)
        made: list[ModelSpec] = []

        def create(spec: ModelSpec) -> EchoBackend:
            made.append(spec)
            return EchoBackend()

        models = Models([ModelSpec(name=name, kind="x") for name in ("m", "back")], create)
        await _give_templates(store, models)
        for name in ("m", "back"):
            async with models.use(name):
                pass
    finally:
        store.close()
    given = {"chat_template": "{{ 1 }}", "template_source": "override/1"}
    assert [spec.options for spec in made] == [given, {}]
