"""What `datasets` reads of exports, and what trainers make of them, by their own command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backends.types import ToolCall
from tests.backends.tiny_models import make_folder
from tests.feedback.made_up import TOOLS, asked_tools, judged, judgement
from tests.feedback.test_datasets import SALT, Record, planted, written
from tests.feedback.test_splits import crowd
from webchat.feedback.datasets import FORMATS
from webchat.feedback.extras import ExtraMissing

datasets = pytest.importorskip("datasets")


def load(path: Path, *args: Any, cache: Path, **options: Any) -> Any:
    return datasets.load_dataset(str(path), *args, cache_dir=str(cache), **options)


def with_tools(person: str) -> Record:
    path = asked_tools("How warm is it in Ulm? 🌡️", '{"celsius": 7}')
    return judgement(judged(path, "Seven degrees"), person=person)


def test_a_first_tool_call_after_ten_megabytes_is_loaded(tmp_path: Path) -> None:
    plain = [
        judgement(judged(f"{at} " + "x" * 2**21, "no", options=TOOLS), person=f"p{at}") for at in range(8)
    ]
    calls = (ToolCall("a", "weather", '{"city": {"name": "Ulm"}}'),)
    calling = judgement(judged("And here?", "", calls=calls, options=TOOLS), -1, better="No.", person="last")
    found = written(tmp_path, [*plain, calling], replace(SALT, formats=("trl", "parquet")))
    assert sum(found.rows["kto_tools"].values()) == 9
    for config, split in (("kto_tools", "completion"), ("dpo_tools", "rejected")):
        rows = load(tmp_path / "export", config, cache=tmp_path / "cache")
        last = [row for part in rows.values() for row in part if row["prompt"][-1]["content"] == "And here?"]
        (call,) = last[0][split][0]["tool_calls"]
        assert call["function"]["arguments"] == {"city": {"name": "Ulm"}}


def test_every_format_is_loaded(tmp_path: Path) -> None:
    records = [*crowd(3, 12), *planted(), with_tools("ada"), with_tools("ben")]
    found = written(tmp_path, records, replace(SALT, formats=FORMATS))
    folder = tmp_path / "export"
    for config, rows in found.rows.items():
        loaded = load(folder, config, cache=tmp_path / "cache")
        assert {name: len(split) for name, split in loaded.items()} == rows
        columns = {"prompt", "completion", "chosen", "rejected", "label", "messages", "webchat", "tools"}
        assert set(loaded["train"].column_names) <= columns
    sft = load(folder, "sft", cache=tmp_path / "cache")["train"]
    assert "雨がふる? 下雨了 ☔" in [row["completion"][0]["content"] for row in sft]
    assert [list(turn) for turn in sft[0]["prompt"]] == [["role", "content"]] * len(sft[0]["prompt"])
    parquet = load(folder / "sft", data_files="train.parquet", split="train", cache=tmp_path / "cache2")
    assert parquet.to_list() == sft.to_list()
    for kind, file, count in (
        ("json", "judgements.jsonl", found.records - 2),
        ("json", "judgements_tools.jsonl", 2),
        ("csv", "judgements.csv", found.records),
        ("json", "openai/preference-train.jsonl", found.rows["dpo"]["train"]),
        ("json", "sharegpt/train.jsonl", found.rows["sft"]["train"]),
        ("json", "openai/sft-train.jsonl", found.rows["sft"]["train"]),
    ):
        path = str(folder / file)
        one = datasets.load_dataset(kind, data_files=path, split="train", cache_dir=str(tmp_path / "cache3"))
        assert len(one) == count


def test_parquet_alone_is_a_dataset(tmp_path: Path) -> None:
    found = written(tmp_path, crowd(3, 12), replace(SALT, formats=("parquet",)))
    assert not [*(tmp_path / "export").rglob("*.jsonl")]
    for config, rows in found.rows.items():
        loaded = load(tmp_path / "export", config, cache=tmp_path / "cache")
        assert {name: len(split) for name, split in loaded.items()} == rows


def test_folds_are_configs(tmp_path: Path) -> None:
    found = written(tmp_path, crowd(3, 12), replace(SALT, folds=3))
    loaded = load(tmp_path / "export", "kto_fold2", cache=tmp_path / "cache")
    rows = found.rows["kto"]
    assert len(loaded["test"]) == rows["fold-2"]
    assert len(loaded["train"]) == rows["fold-1"] + rows["fold-3"]


def test_jsonl_needs_no_extra_package_of_trainers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    written(tmp_path, planted())
    with pytest.raises(ExtraMissing, match=r"\[train\]"):
        written(tmp_path, planted(), replace(SALT, formats=("parquet",)))
    monkeypatch.setitem(sys.modules, "datasketch", None)
    with pytest.raises(ExtraMissing, match=r"\[feedback\]"):
        written(tmp_path, planted())


def test_dates_stay_texts_in_parquet(tmp_path: Path) -> None:
    """`datasets` itself makes times of a column of JSON in which nothing else is."""
    records = [judgement(judged(f"2026-01-0{at}", "2026-01-01"), person=f"p{at}") for at in range(1, 5)]
    written(tmp_path, records, replace(SALT, formats=("parquet",)))
    train = load(tmp_path / "export", "sft", cache=tmp_path / "cache")["train"]
    assert train[0]["completion"][0]["content"] == "2026-01-01"
    assert train[0]["webchat"]["at"].endswith("UTC")


@pytest.mark.slow
def test_tools_after_ten_megabytes_of_other_conversations_are_loaded(tmp_path: Path) -> None:
    def records() -> Iterator[Record]:
        for at in range(60):
            yield judgement(judged(f"Write {at} pages", f"word {at} " * 30_000), person=f"p{at}")
        yield with_tools("late")
        yield judgement(judged("Bye for now, friend", "Bye"), person="last")

    found = written(tmp_path, records(), replace(SALT, formats=("trl", "parquet")))
    assert (tmp_path / "export/sft/train.jsonl").stat().st_size > 10_000_000
    for config, rows in found.rows.items():
        loaded = load(tmp_path / "export", config, cache=tmp_path / "cache")
        assert {name: len(split) for name, split in loaded.items()} == rows


def called(at: int) -> Record:
    """A reply that calls a tool, or answers its result, with a better answer every other time."""
    name = f"{at * 7919:x} {at * 104729:x}"
    path = asked_tools(f"How warm is it in {name}?", f"{at} degrees", name)
    calls = (ToolCall("b", "weather", f'{{"city": "{name}", "days": [{at}]}}'),)
    of = judged(path, "" if at % 3 else "Warm", calls=calls if at % 3 else (), options=TOOLS)
    better = f"It is {at} degrees." if at % 2 else ""
    return judgement(of, -1 if at % 2 else 1, person=f"t{at}", better=better)


EXPORTING = r"""
import re, sys
from pathlib import Path
from tests.feedback.made_up import judged, judgement, said
from webchat.feedback.datasets import ExportOptions, write_dataset
from webchat.store.judgement_records import Judgement

def records(count):
    for at in range(count):
        words = " ".join(f"{(at * 7919 + word * 104729) % 999983:x}" for word in range(30))
        one = judged(said(words), words[::-1] * 3, message_id=f"reply-{at}")
        chat = f"chat-{at // 2}"
        more = {"better": f"better {at}" if at % 3 == 0 else "", "id": f"{at}"}
        yield judgement(one, 1 if at % 4 else -1, person=f"p{at // 20}", conversation=chat, **more)

def peak():
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024

def export(name, count):
    formats = ("trl", "jsonl", "csv", "openai", "sharegpt")
    return write_dataset(Path(sys.argv[1]) / name, records(count), ExportOptions(formats=formats, salt="s"))

export("first", 100)  # loads every package
floor = peak()
found = export("all", int(sys.argv[2]))
print(found.records, found.rows["kto"], floor, peak() - floor)
"""


def peak(folder: Path, count: int) -> int:
    """MB that an export of so many judgements takes beyond those of the process before it."""
    done = subprocess.run(
        [sys.executable, "-c", EXPORTING, str(folder), str(count)], capture_output=True, text=True, check=True
    )
    print(done.stdout)
    assert done.stdout.startswith(f"{count} ")
    return int(done.stdout.split()[-1])


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_judgements(tmp_path: Path) -> None:
    small, large = peak(tmp_path / "small", 5_000), peak(tmp_path / "large", 100_000)
    assert large < small + 120  # a few hundred bytes for each; their texts are 200 MB


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("tools", ["", "_tools"])
@pytest.mark.parametrize("method", ["sft", "dpo", "kto", "reward"])
def test_trl_trains_on_an_export_untouched(
    tmp_path: Path, demo_folder: Path, method: str, tools: str
) -> None:
    pytest.importorskip("trl")
    (tmp_path / "tiny").mkdir()
    make_folder(demo_folder, tmp_path / "tiny")
    chinese = [
        judgement(judged(f"请问{at}月的天气怎么样？🌧️", "下雨。"), -1, person=f"q{at}") for at in range(6)
    ]
    records = [*crowd(11, 30), *planted(), *chinese, *(called(at) for at in range(30))]
    found = written(tmp_path, records, replace(SALT, share=0.2))
    assert set(found.rows[method + tools]) == {"train", "test"}
    trl = Path(sys.executable).with_name("trl")
    command = [str(trl), method, "--model_name_or_path", str(tmp_path / "tiny")]
    command += ["--dataset_name", str(tmp_path / "export"), "--dataset_config", method + tools]
    command += [
        "--output_dir",
        str(tmp_path / "out"),
        "--max_steps",
        "3",
        "--per_device_train_batch_size",
        "2",
    ]
    command += ["--per_device_eval_batch_size", "2", "--eval_strategy", "steps", "--eval_steps", "3"]
    command += ["--logging_steps", "1", "--report_to", "none", "--use_cpu", "--bf16", "false"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
    print(done.stdout[-3000:], done.stderr[-3000:])
    assert done.returncode == 0
    assert "eval_loss" in done.stdout + done.stderr
    assert (tmp_path / "out/model.safetensors").exists()
