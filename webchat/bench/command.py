"""The command: from the settings to the backend, and from what was measured to the terminal."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from webchat.bench.measure import Plan, Result, measure, one_after_another, warm_up
from webchat.bench.plot import NoMatplotlib, plot
from webchat.bench.report import as_json, table
from webchat.models import ModelSpec, configured, create_backend
from webchat.settings import Settings


class BadPlan(Exception):
    """What was asked to be measured makes no sense, as one sentence."""


def plan_of(options: Mapping[str, Any]) -> Plan:
    """From the flags. Raises `BadPlan`."""
    try:
        users = tuple(int(number) for number in str(options["users"]).split(","))
        numbers = {name: int(options[name]) for name in ("tokens", "prompt_tokens", "turns", "rounds")}
    except ValueError:
        raise BadPlan("--users, --tokens, --prompt-tokens, --turns and --rounds take whole numbers") from None
    if min(*users, *numbers.values(), 1) < 1 or max(users) > 1000:
        raise BadPlan("--users takes numbers from 1 to 1000 (1,2,4,8), the others numbers from 1")
    return Plan(users, **numbers)


def run(settings: Settings, options: Mapping[str, Any]) -> None:
    """Measure the default model and print what was found, also when interrupted. Raises `BadPlan`,
    `BackendError`."""
    plan = plan_of(options)
    for flag in ("json", "plot"):
        where = options.get(flag)
        if where and where != "-" and not Path(where).expanduser().absolute().parent.is_dir():
            raise BadPlan(f"--{flag}: there is no folder {Path(where).expanduser().absolute().parent}")
    spec = next(iter(configured(settings)))
    result = Result(plan, spec.name, spec.kind)
    try:
        asyncio.run(_measure(spec, plan, result, baseline=not options.get("no_baseline")))
    except KeyboardInterrupt:
        print("Interrupted; this is what was measured.", file=sys.stderr)
    if result.runs or result.baseline is not None:
        _tell(result, options)


async def _measure(spec: ModelSpec, plan: Plan, result: Result, *, baseline: bool) -> None:
    backend = create_backend(spec)
    try:
        _say(f"Loading {spec.name} ...")
        await measure(backend, plan, result, _say)
        if baseline and spec.kind != "local":
            result.baseline_is = "one request after another"
            _say(f"plain: {result.baseline_is} ...")
            result.baseline = await one_after_another(backend, plan)
    finally:
        await backend.aclose()
    if baseline and spec.kind == "local":
        await _generate(spec, plan, result)


async def _generate(spec: ModelSpec, plan: Plan, result: Result) -> None:
    """The same model as people had it before: transformers' `generate`, one request after another, on all
    cores; on a CPU in float32."""
    options = {name: value for name, value in spec.options.items() if not name.startswith("load_in_")}
    on_cpu = result.details.get("device") == "cpu"
    plain = {
        "batching": False,
        "engines": None,
        "quantization": "none",
        "dtype": "float32" if on_cpu else options["dtype"],
        "threads": options["threads"] or os.cpu_count(),
    }
    backend = create_backend(replace(spec, options={**options, **plain}))
    result.baseline_is = f"transformers' generate{' in float32' if on_cpu else ''}, one request after another"
    try:
        _say(f"plain: {result.baseline_is} ...")
        await backend.start()
        await warm_up(backend)
        result.baseline = await one_after_another(backend, plan)
    finally:
        await backend.aclose()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _tell(result: Result, options: Mapping[str, Any]) -> None:
    whole = json.dumps(as_json(result), indent=2, ensure_ascii=False)
    if options.get("json") == "-":
        print(whole)
    else:
        print("\n".join(table(result)))
        if options.get("json"):
            Path(options["json"]).expanduser().write_text(whole + "\n", encoding="utf-8")
    if options.get("plot"):
        try:
            plot(result, Path(options["plot"]).expanduser())
        except NoMatplotlib:
            _say("A plot needs the package matplotlib: pip install 'webchat[plot]'")
