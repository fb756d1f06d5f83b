"""The command: from the settings to a backend, and from measurements to the terminal."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backends.base import LoadProgress
from backends.errors import BackendError
from backends.installation import add_extra
from backends.options import EndpointOptions, LocalOptions
from webchat.bench.measure import BASELINE_PEOPLE, Bench
from webchat.bench.plot import can_plot, plot
from webchat.bench.prompts import Prompts
from webchat.bench.report import as_json, table
from webchat.bench.result import Plan, Result
from webchat.database_url import without_password
from webchat.models import Models, ModelSpec, configured
from webchat.settings import Settings

_LIMITS = {"tokens": 100_000, "prompt_tokens": 1_000_000, "turns": 100, "rounds": 100}
_MOST_USERS = 1000
_SHOWN = (
    *("source", "path", "model", "adapter", "revision", "device", "dtype", "quantization", "load_in_8bit"),
    *("load_in_4bit", "context_length", "slots", "cache_tokens", "threads", "gpu_layers"),
)
"""Backend options that are safe to publish; any other is left out of the output."""


class BadPlan(Exception):
    """The measurement requested makes no sense; the message is one sentence without its full stop."""


def plan_of(options: Mapping[str, object]) -> Plan:
    """From the flags. Raises `BadPlan`."""
    users = tuple(_number("users", part, _MOST_USERS) for part in str(options["users"]).split(","))
    numbers = {name: _number(name, str(options[name]), most) for name, most in _LIMITS.items()}
    return Plan(tuple(dict.fromkeys(users)), **numbers)


def _number(name: str, text: str, most: int) -> int:
    flag = f"--{name.replace('_', '-')}"
    several = ", or several, such as 1,2,4,8" if name == "users" else ""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= most:
        raise BadPlan(f'{flag} takes a whole number from 1 to {most}{several}, not "{text}"')
    return number


def run(settings: Settings, options: Mapping[str, object]) -> None:
    """Measure the default model and print the results, or the partial results when interrupted.

    Raises `BadPlan`, `BackendError` if the model does not start, `OSError`, and `KeyboardInterrupt` after
    printing everything.
    """
    plan = plan_of(options)
    _check_outputs(options)
    result = Result(plan, "", "")
    try:
        asyncio.run(_measure(settings, result, baseline=not options.get("no_baseline")))
    except KeyboardInterrupt:
        _say("Interrupted; results so far:")
        _tell(result, options)
        raise
    result.complete = True
    _tell(result, options)


def _check_outputs(options: Mapping[str, Any]) -> None:
    """Checks the output files before minutes are spent. Raises `BadPlan`."""
    if options.get("plot") and not can_plot():
        raise BadPlan(f"--plot needs the package matplotlib: {add_extra('plot')}")
    for flag in ("json", "plot"):
        where = options.get(flag)
        if not where or (flag == "json" and where == "-"):
            continue
        file = Path(where).expanduser().absolute()
        if not file.parent.is_dir():
            raise BadPlan(f"--{flag}: there is no folder {file.parent}")
        if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
            raise BadPlan(f"--{flag}: {file} cannot be written")


async def _measure(settings: Settings, result: Result, *, baseline: bool) -> None:
    budget = None if settings.memory_budget is None else int(settings.memory_budget * 1e9)
    models = Models(configured(settings), default=settings.default_model, memory_budget=budget)
    bench = Bench(result.plan, Prompts(result.plan.prompt_tokens, secrets.token_hex(3)), _say)
    try:
        await models.discover()
        result.model, result.kind = models.default, models.spec(models.default).kind
        _say(f"Starting {result.model} ...")
        async with models.use(models.default, _Progress()) as backend:
            spec = models.spec(models.default)
            result.model, result.kind, result.settings = spec.name, spec.kind, _settings(spec)
            await bench.side_by_side(backend, result)
            if baseline and spec.kind != "local":
                result.baseline_is = f"{_people(result.plan)}, one request after another"
                await bench.one_after_another(backend, result)
    finally:
        await models.aclose()
    if baseline and spec.kind == "local":
        await _generate(bench, spec, result)


async def _generate(bench: Bench, spec: ModelSpec, result: Result) -> None:
    """The same model with transformers alone. Earlier measurements are kept if that fails."""
    from webchat.bench.baseline import PlainGenerate

    _say("Starting plain generate ...")
    assert isinstance(spec.options, LocalOptions)
    plain = PlainGenerate(spec.options)
    try:
        await plain.start()
        result.baseline_is = (
            f"{_people(result.plan)} with transformers' generate, {plain.about}, one request after another"
        )
        await bench.warm_up(plain)
        await bench.one_after_another(plain, result)
    except BackendError as error:
        result.baseline_is = f"not measured. {error}"
    finally:
        await plain.aclose()


def _people(plan: Plan) -> str:
    return "one person" if max(plan.users) == 1 else f"{BASELINE_PEOPLE} people"


def _settings(spec: ModelSpec) -> dict[str, object]:
    options = spec.options
    told = (
        options if isinstance(options, Mapping) else {name: getattr(options, name, None) for name in _SHOWN}
    )
    shown = {name: told[name] for name in _SHOWN if told.get(name) is not None}
    if spec.kind == "demo":
        del shown["path"]  # the folder it is fetched into
    if isinstance(options, EndpointOptions):
        shown["endpoint"] = without_password(options.base_url)
    return {
        name: value if isinstance(value, bool | int | float) else str(value) for name, value in shown.items()
    }


class _Progress:
    """Prints a line for each phase of the start."""

    def __init__(self) -> None:
        self._phase = ""

    def __call__(self, progress: LoadProgress, _eta: float | None) -> None:
        if progress.phase != self._phase:
            self._phase = progress.phase
            _say(f"  {progress.phase} ...")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _tell(result: Result, options: Mapping[str, Any]) -> None:
    if not result.runs:
        return
    as_text = "\n".join(table(result))
    if options.get("json") == "-":
        _say(as_text)
        print(_json(result))
    else:
        print(as_text)
        if options.get("json"):
            Path(options["json"]).expanduser().write_text(_json(result) + "\n", encoding="utf-8")
    if options.get("plot"):
        plot(result, Path(options["plot"]).expanduser())


def _json(result: Result) -> str:
    return json.dumps(as_json(result), indent=2, ensure_ascii=False)
