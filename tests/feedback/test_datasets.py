"""Exports: exactly the rows of a planted set, what is left out, and other formats."""

from __future__ import annotations

import csv
import json
import shutil
import stat
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.types import ToolCall
from tests.feedback.made_up import TOOLS, asked_tools, comparison, judged, judgement, said
from webchat.feedback.datasets import (
    FORMATS,
    Exported,
    ExportError,
    ExportOptions,
    write_dataset,
)
from webchat.store.judgement_records import (
    Answer,
    Comparison,
    Consent,
    JudgedMessage,
    Judgement,
    Rating,
    Review,
)
from webchat.store.link_records import Question

Record = Judgement | Comparison
SALT = ExportOptions(salt="salt")


def written(folder: Path, records: Iterable[Record], options: ExportOptions = SALT) -> Exported:
    return write_dataset(folder / "export", records, options)


def lines(folder: Path, config: str) -> list[dict[str, Any]]:
    """The rows of a config in all its files, each with the file's name as `split`."""
    return [
        {**json.loads(line), "split": path.stem}
        for path in sorted((folder / "export" / config).glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def bare(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in ("webchat", "split")} for row in rows]


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def model(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def planted() -> list[Record]:
    """One person, one of everything."""
    path = said("Name a fruit.", "Apple", "Another one?", system="Be brief.")
    versions = said("Sing me a song about rain")
    one, other = judged(path, "Pear"), judged(path, "No.", model="n")
    bad = Review("edited", "operator", better="雨がふる? 下雨了 ☔")
    return [
        judgement(judged("Say hello in French", "Bonjour"), 1, conversation="a", id="good"),
        judgement(judged("Say hello in German", "Hola"), -1, conversation="b", id="bad", better="Hallo"),
        judgement(judged("What does rain look like?", "Wet"), 0, conversation="c", id="edited", review=bad),
        comparison(one, other, "left", conversation="d", id="vote"),
        comparison(one, other, "tie", conversation="d", left_good=False, right_good=False, id="both bad"),
        judgement(judged(versions, "La la", message_id="v1"), 1, conversation="e", id="v1"),
        judgement(judged(versions, "Brr", message_id="v2", model="n"), -1, conversation="e", id="v2"),
    ]


def test_a_planted_set_becomes_exactly_its_rows(tmp_path: Path) -> None:
    found = written(tmp_path, planted(), replace(SALT, formats=("trl", "messages")))
    fruit = [
        {"role": "system", "content": "Be brief."},
        user("Name a fruit."),
        model("Apple"),
        user("Another one?"),
    ]
    rain = "雨がふる? 下雨了 ☔"
    sft = [
        ([user("Say hello in French")], "Bonjour"),
        ([user("Say hello in German")], "Hallo"),
        ([user("What does rain look like?")], rain),
        ([user("Sing me a song about rain")], "La la"),
    ]
    assert bare(lines(tmp_path, "sft")) == [
        {"prompt": prompt, "completion": [model(text)]} for prompt, text in sft
    ]
    assert bare(lines(tmp_path, "messages")) == [{"messages": [*prompt, model(text)]} for prompt, text in sft]
    pairs = [
        ([user("Say hello in German")], "Hallo", "Hola"),
        ([user("What does rain look like?")], rain, "Wet"),
        (fruit, "Pear", "No."),
        ([user("Sing me a song about rain")], "La la", "Brr"),
    ]
    assert bare(lines(tmp_path, "dpo")) == [
        {"prompt": prompt, "chosen": [model(good)], "rejected": [model(bad)]} for prompt, good, bad in pairs
    ]
    assert bare(lines(tmp_path, "reward")) == [
        {"chosen": [*prompt, model(good)], "rejected": [*prompt, model(bad)]} for prompt, good, bad in pairs
    ]
    assert [row["webchat"]["source"] for row in lines(tmp_path, "dpo")] == [
        "better",
        "better",
        "vote",
        "version",
    ]
    kto = bare(lines(tmp_path, "kto"))
    assert sorted(
        (row["prompt"][-1]["content"], row["completion"][0]["content"], row["label"]) for row in kto
    ) == [
        ("Another one?", "No.", False),
        ("Another one?", "Pear", False),
        ("Say hello in French", "Bonjour", True),
        ("Say hello in German", "Hola", False),
        ("Sing me a song about rain", "Brr", False),
        ("Sing me a song about rain", "La la", True),
    ]
    labels = [row["label"] for row in kto]
    assert sorted(labels) == [False] * 4 + [True] * 2
    assert all(not (one and other) for one, other in pairwise(labels))
    assert [row["prompt"] for row in bare(lines(tmp_path, "grpo"))] == [
        sft[0][0],
        sft[1][0],
        sft[2][0],
        fruit,
        sft[3][0],
    ]
    assert found.left_out == {"both_bad": 1}
    assert (found.records, found.people) == (7, 1)
    assert found.notes == ("no_test", "one_group")
    assert found.rows["dpo"] == {"train": 4}


def test_a_row_has_no_nulls_and_keys_that_never_change(tmp_path: Path) -> None:
    odd = judged("q?", "r", provenance={"revision": None, "adapter": "lora", "seed": 3, "template": "t/2"})
    more = [
        judgement(odd, 1, person="ben", link_id=None, link="", consent=None, reasons=("accurate", "style"))
    ]
    written(tmp_path, [*planted(), *more], replace(SALT, formats=FORMATS))

    def check(value: object) -> None:
        assert value is not None
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            check(part)

    for path in sorted((tmp_path / "export").rglob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        check(rows)
        assert len({tuple(row) for row in rows}) == 1
        kinds = {
            tuple((key, type(one)) for key, one in row["webchat"].items()) for row in rows if "webchat" in row
        }
        assert len(kinds) <= 1
    row = next(one for one in lines(tmp_path, "sft") if one["webchat"]["adapter"])
    about = row["webchat"]
    assert (about["reasons"], about["revision"], about["consent"], about["template"]) == (
        "accurate,style",
        "",
        0,
        "t/2",
    )
    assert json.loads(about["provenance"])["seed"] == 3
    assert about["split"] == row["split"]
    assert "ben" not in json.dumps({**about, "judgement": ""})


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (judgement(judged("q", "r"), review=Review()), "not_accepted"),
        (judgement(judged("q", "r"), review=Review("rejected")), "not_accepted"),
        (comparison(judged("q", "1"), judged("q", "2"), "left", review=Review("rejected")), "not_accepted"),
        (judgement(judged("q", "r"), consent=None), "no_consent"),
        (judgement(judged("q", "r"), consent=Consent(1, "For research.", False)), "no_consent"),
        (judgement(None), "running"),
        (judgement(judged("q", "r", continues=True)), "continues"),
        (judgement(judged(said("q", "a"), "r")), "no_question"),
        (judgement(judged((), "r")), "no_question"),
        (comparison(judged("q", "1"), judged("q", "2", continues=True), "left"), "continues"),
    ],
)
def test_what_must_not_be_exported_leaves_nothing(tmp_path: Path, one: Record, reason: str) -> None:
    found = written(tmp_path, [one], replace(SALT, formats=("trl", "jsonl", "csv")))
    assert (found.records, found.rows, found.notes) == (0, {}, ("no_rows",))
    assert found.left_out == {reason: 1}
    assert "Left out" in (tmp_path / "export/README.md").read_text()
    assert not list((tmp_path / "export").glob("*/"))


@pytest.mark.parametrize(
    ("one", "reason", "configs"),
    [
        (judgement(judged("q", "r", whole=False)), "unfinished", {"grpo"}),
        (judgement(judged("q", "r", whole=False), -1, better="b"), "unfinished", {"grpo", "sft"}),
        (judgement(judged("q", "  ")), "empty", {"grpo"}),
        (judgement(judged("q", "r"), 0), "no_thumb", {"grpo"}),
        (comparison(judged("q", "1"), judged("q", "2"), None), "no_vote", {"grpo"}),
        (comparison(judged("q", "1"), judged("q", "2"), "tie"), "tie", {"grpo"}),
        (comparison(judged("q", "1"), judged("q", "1 "), "left"), "same_text", {"grpo"}),
        (comparison(judged("q", "1"), judged(said("q", system="s"), "2"), "left"), "other_prompt", {"grpo"}),
        (comparison(judged("q", "1"), judged("q", "2", whole=False), "left"), "unfinished", {"grpo"}),
    ],
)
def test_what_makes_no_example_makes_no_row(
    tmp_path: Path, one: Record, reason: str, configs: set[str]
) -> None:
    found = written(tmp_path, [one])
    assert set(found.rows) == configs
    assert found.left_out == {reason: 1}


def test_a_vote_counts_without_a_review(tmp_path: Path) -> None:
    found = written(tmp_path, [comparison(judged("q", "1"), judged("q", "2"), "right", review=Review())])
    assert found.rows["dpo"] == {"train": 1}


def test_what_a_vote_says_of_each_side_is_an_example_by_itself(tmp_path: Path) -> None:
    told = comparison(judged("q", "1"), judged("q", "2"), "tie", left_good=True, right_good=False)
    written(tmp_path, [told, comparison(judged("p", "3"), judged("p", "4"), "left")])
    labels = {row["completion"][0]["content"]: row["label"] for row in lines(tmp_path, "kto")}
    assert labels == {"1": True, "2": False}
    assert [row["chosen"][0]["content"] for row in lines(tmp_path, "dpo")] == ["3"]


def test_answers_to_a_links_questions_are_in_the_file_of_judgements(tmp_path: Path) -> None:
    answers = (
        Answer(Question("how", "How good?", "scale"), 4),
        Answer(Question("why", "Why?"), "Call +49 30 901820"),
    )
    options = replace(SALT, formats=("jsonl", "csv"), mask=lambda texts: [one[:4] for one in texts])
    written(tmp_path, [judgement(judged("q", "r"), answers=answers)], options)
    (row,) = (tmp_path / "export/judgements.jsonl").read_text().splitlines()
    assert json.loads(json.loads(row)["answers"]) == {"How good?": 4, "Why?": "Call"}


def test_a_reply_is_in_the_sft_file_once(tmp_path: Path) -> None:
    reply = judged("Where is Ulm?", "On the Danube")
    both = [judgement(reply, person=name, conversation="c") for name in ("ada", "ben")]
    found = written(tmp_path, both)
    assert (found.rows["sft"], found.rows["kto"], found.left_out) == (
        {"train": 1},
        {"train": 2},
        {"same_reply": 1},
    )


def test_reasoning_goes_unless_asked_for(tmp_path: Path) -> None:
    path = said("q1", "<think>\nhm\n</think>\n\na1", "<think>mine</think> q2")
    one = judgement(judged(path, "<think>long</think>\nshort"))
    written(tmp_path, [one])
    (row,) = lines(tmp_path, "sft")
    assert [turn["content"] for turn in row["prompt"]] == ["q1", "a1", "<think>mine</think> q2"]
    assert row["completion"] == [model("short")]
    written(tmp_path, [one], replace(SALT, reasoning=True))
    assert lines(tmp_path, "sft")[0]["completion"] == [model("<think>long</think>\nshort")]


def test_a_prompt_is_what_the_model_was_sent(tmp_path: Path) -> None:
    path = said("long ago", "yes", "now", system="Be kind.")
    written(tmp_path, [judgement(judged(path, "r", cut=2))])
    assert lines(tmp_path, "sft")[0]["prompt"] == [{"role": "system", "content": "Be kind."}, user("now")]


def test_personal_data_is_masked_on_request(tmp_path: Path) -> None:
    from webchat.privacy import Finder, mask_texts

    finder = Finder()
    one = judgement(
        judged("Write to ada@example.com please", "Dear ada@example.com"), comment="call +49 30 901820"
    )
    options = replace(SALT, formats=("trl", "jsonl", "csv"), mask=lambda texts: mask_texts(texts, finder))
    written(tmp_path, [one, judgement(judged("Nothing here", "ok"))], options)
    row = lines(tmp_path, "sft")[0]
    assert row["prompt"] == [user("Write to [EMAIL_1] please")]
    assert row["completion"] == [model("Dear [EMAIL_1]")]
    everything = "".join(path.read_text() for path in (tmp_path / "export").rglob("*") if path.is_file())
    assert "ada@example" not in everything
    assert "901820" not in everything
    assert "in 1 judgements" in (tmp_path / "export/README.md").read_text()


def test_personal_data_is_masked_wherever_a_call_or_a_tool_has_it(tmp_path: Path) -> None:
    from webchat.privacy import Finder, mask_texts

    finder = Finder()
    arguments = '{"to": 13812345678, "ada@example.com": {"n": 2}, "of": ["ada@example.com"]}'
    call = ToolCall("call 13812345678", "ask ada@example.com", arguments)
    name = {"ada@example.com": {"enum": ["ada@example.com", 13812345678], "const": 13812345678}}
    tool = {"name": "ask ada@example.com", "description": "13812345678", "parameters": {"properties": name}}
    path = (JudgedMessage("user", "Do it"), JudgedMessage("assistant", "", tool_calls=(call,)),
            JudgedMessage("tool", "done", tool_call_id=call.id))  # fmt: skip
    one = judged(path, "", calls=(call,), options={"tools": [tool]})
    written(tmp_path, [judgement(one)], replace(SALT, mask=lambda texts: mask_texts(texts, finder)))
    (row,) = lines(tmp_path, "sft_tools")
    (called,) = row["completion"][0]["tool_calls"]
    assert called["function"]["arguments"] == {"to": "[PHONE_1]", "[EMAIL_1]": {"n": 2}, "of": ["[EMAIL_1]"]}
    told = json.loads(row["tools"])[0]["function"]
    assert told["parameters"] == {
        "properties": {"[EMAIL_1]": {"enum": ["[EMAIL_1]", "[PHONE_1]"], "const": "[PHONE_1]"}}
    }
    assert called["function"]["name"] == told["name"] == row["prompt"][2]["name"] == "ask [EMAIL_1]"
    assert called["id"] == row["prompt"][2]["tool_call_id"] == "call [PHONE_1]"
    files = [path.read_text() for path in (tmp_path / "export").rglob("*") if path.is_file()]
    assert not any(secret in text for text in files for secret in ("ada@example", "13812345678"))


def test_a_call_nested_too_deeply_is_left_out(tmp_path: Path) -> None:
    deep = ToolCall("a", "f", '{"a":' * 900 + "1" + "}" * 900)
    found = written(tmp_path, [judgement(judged("Do it", "", calls=(deep,)))])
    assert found.left_out["bad_call"] == 1


def test_conversations_with_tools_have_files_of_their_own(tmp_path: Path) -> None:
    path = asked_tools("Weather?", '{"sun": true}')
    forecast = ToolCall("b", "forecast", '{"of": "ada@example.com"}')
    calling = judged(path, "", calls=(forecast,), options=TOOLS, message_id="calling")
    records: list[Record] = [
        judgement(judged(path, "Sunny")),
        judgement(calling, -1, better="Rain", conversation="c"),
        judgement(judged("Hi, which day is it?", "Monday")),
        judgement(judged((*said("Lost?"), JudgedMessage("tool", "x", tool_call_id="gone")), "Yes")),
        judgement(judged("Broken?", "", calls=(ToolCall("c", "f", "{"),))),
        comparison(calling, judged(path, "Sunny"), "left"),
    ]
    options = replace(
        SALT, formats=FORMATS[:-1], mask=lambda texts: [t.replace("ada@", "[NAME]@") for t in texts]
    )
    found = written(tmp_path, records, options)
    assert (found.rows["sft"], found.rows["sft_tools"], found.left_out["bad_call"]) == (
        {"train": 1},
        {"train": 2},
        2,
    )
    row = lines(tmp_path, "sft_tools")[0]
    function = {"name": "weather", "arguments": {"city": "Ulm"}}
    called = {"id": "call_1", "type": "function", "function": function}
    assert row["prompt"] == [
        user("Weather?"),
        {**model("I look."), "tool_calls": [called]},
        {"role": "tool", "content": '{"sun": true}', "name": "weather", "tool_call_id": "call_1"},
    ]
    assert (row["completion"], row["tools"]) == ([model("Sunny")], "[]")
    better, voted = lines(tmp_path, "dpo_tools")
    masked = {
        "id": "b",
        "type": "function",
        "function": {"name": "forecast", "arguments": {"of": "[NAME]@example.com"}},
    }
    assert better["rejected"] == voted["chosen"] == [{**model(""), "tool_calls": [masked]}]
    definition = {"name": "weather", "description": "", "parameters": {"type": "object"}}
    assert json.loads(better["tools"]) == [{"type": "function", "function": definition}]
    assert "tool" not in (tmp_path / "export/sft/train.jsonl").read_text()
    openai = json.loads((tmp_path / "export/openai/preference_tools-train.jsonl").read_text().splitlines()[0])
    assert openai["input"]["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"city": "Ulm"}'
    assert (set(openai["input"]["messages"][2]), len(openai["input"]["tools"])) == (
        {"role", "content", "tool_call_id"},
        1,
    )
    assert len((tmp_path / "export/judgements_tools.jsonl").read_text().splitlines()) == 3


def test_other_formats_have_their_shapes(tmp_path: Path) -> None:
    records = planted()
    records.append(judgement(judged("=1+1", "@cmd"), 1, comment='-2, "quoted"\nline', conversation="z"))
    written(tmp_path, records, replace(SALT, formats=("openai", "sharegpt", "csv", "jsonl")))
    assert {path.name for path in (tmp_path / "export").iterdir()} == {
        "README.md", "webchat-export.json", "openai", "sharegpt", "judgements.csv", "judgements.jsonl"
    }  # fmt: skip
    sft = [json.loads(line) for line in (tmp_path / "export/openai/sft-train.jsonl").read_text().splitlines()]
    assert sft[0] == {"messages": [user("Say hello in French"), model("Bonjour")]}
    pairs = (tmp_path / "export/openai/preference-train.jsonl").read_text().splitlines()
    assert json.loads(pairs[0]) == {
        "input": {"messages": [user("Say hello in German")]},
        "preferred_output": [model("Hallo")],
        "non_preferred_output": [model("Hola")],
    }
    assert bare(lines(tmp_path, "sharegpt"))[0] == {
        "conversations": [
            {"from": "human", "value": "Say hello in French"},
            {"from": "gpt", "value": "Bonjour"},
        ]
    }
    with (tmp_path / "export/judgements.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["question"] for row in rows][-1] == "'=1+1"
    assert (rows[-1]["reply"], rows[-1]["comment"], rows[-1]["rating"]) == (
        "'@cmd",
        '\'-2, "quoted"\nline',
        "1",
    )
    assert rows[1]["rating"] == "-1"  # a number
    assert (rows[3]["preferred"], rows[3]["other_reply"], rows[3]["system"]) == ("left", "No.", "Be brief.")
    assert (rows[4]["good"], rows[4]["preferred"]) == ("bad", "tie")
    judgements = (tmp_path / "export/judgements.jsonl").read_text().splitlines()
    assert len(judgements) == len(rows) == 8


def test_earlier_replies_are_not_trained_on_by_openai(tmp_path: Path) -> None:
    written(tmp_path, [judgement(judged(said("a", "b", "c"), "d"))], replace(SALT, formats=("openai",)))
    row = json.loads((tmp_path / "export/openai/sft-train.jsonl").read_text())
    assert row["messages"] == [user("a"), {**model("b"), "weight": 0}, user("c"), model("d")]


def test_the_card_tells_what_is_in_it(tmp_path: Path) -> None:
    records = planted()
    thumbs: tuple[tuple[str, Rating], ...] = (("ben", 1), ("cy", -1))
    reply = judged(
        "Where are we?", "Here | <b>there</b>", model="m|<i>", provenance={"template": "bot/2"}, masked=3
    )
    records += [judgement(reply, rating, person=name, conversation="x") for name, rating in thumbs]
    records += [
        judgement(judged("很长的问题", "长" * 2000, message_id="long"), 1, person=name, conversation="y")
        for name, _ in thumbs
    ]
    found = written(tmp_path, records, replace(SALT, licence="cc-by-4.0"))
    text = (tmp_path / "export/README.md").read_text()
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["license"] == "cc-by-4.0"
    assert head["language"] == ["en", "zh"]
    configs = {config["config_name"]: config["data_files"] for config in head["configs"]}
    assert list(configs) == ["dpo", "grpo", "kto", "reward", "sft"]
    for files in configs.values():
        assert all((tmp_path / "export" / file["path"]).exists() for file in files)
    assert {file["split"] for file in configs["sft"]} == {"train", "test"}
    assert found.notes == ()
    for words in (
        "9 judgements and 2 comparisons by 3 people in 7 conversations",
        r"| m\|\<i\> | 2 |",
        "| bot/2 | 2 |",
        "Testers, version 1 (11 judgements and comparisons): What you write may train models.",
        "| 1 | both replies are bad: no pair |",
        "in 6 places",
        "--dataset_config sft --max_length 2560",
        "Krippendorff's alpha of thumbs is",
        "from 2 replies",
        "Salt: `salt`",
        "From 2026-",
    ):
        assert words in text, words


def test_only_an_export_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export/thesis.txt").write_text("years of work")
    with pytest.raises(ExportError, match="is no export"):
        written(tmp_path, planted())
    assert [path.name for path in tmp_path.rglob("*")] == ["export", "thesis.txt"]


def test_a_failed_export_leaves_the_earlier_one(tmp_path: Path) -> None:
    written(tmp_path, planted())
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))

    def broken() -> Iterable[Record]:
        yield planted()[0]
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        written(tmp_path, broken())
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before


def test_an_export_through_a_link_replaces_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "export").symlink_to(tmp_path / "disk/data", target_is_directory=True)
    written(tmp_path, planted())
    written(tmp_path, planted()[:1])
    assert (tmp_path / "export").is_symlink()
    assert len(lines(tmp_path, "sft")) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"disk", "export"}
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["data"]


def test_an_export_is_nobody_elses_to_read(tmp_path: Path) -> None:
    written(tmp_path, planted())
    assert stat.S_IMODE((tmp_path / "export").stat().st_mode) == 0o700


def test_one_export_to_a_folder_runs_at_a_time(tmp_path: Path) -> None:
    def meanwhile() -> Iterable[Record]:
        yield planted()[0]
        with pytest.raises(ExportError, match="is running"):
            written(tmp_path, planted())
        yield planted()[1]

    assert written(tmp_path, meanwhile()).records == 2


def test_what_a_killed_export_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".export.part/sft").mkdir(parents=True)
    for name in ("sft/train.jsonl", "scratch.sqlite", "lock"):
        (tmp_path / ".export.part" / name).write_text("half of it")
    assert written(tmp_path, planted()[:2]).records == 2
    assert [path.name for path in tmp_path.iterdir()] == ["export"]
    assert not [path for path in tmp_path.rglob("*") if path.name in ("lock", "scratch.sqlite")]
    assert "half of it" not in (tmp_path / "export/sft/train.jsonl").read_text()


def test_an_earlier_export_that_stays_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove = shutil.rmtree

    def refused(path: Path, **options: Any) -> None:
        if path.name == ".export.old" and path.exists():
            raise PermissionError(13, "Permission denied")
        remove(path, **options)

    written(tmp_path, planted())
    monkeypatch.setattr("webchat.feedback.datasets.writing.shutil.rmtree", refused)
    with pytest.raises(ExportError, match=r"could not be removed .*\.export\.old"):
        written(tmp_path, planted()[:1])
    assert len(lines(tmp_path, "sft")) == 1


def test_a_lone_surrogate_and_a_nul_are_no_trouble(tmp_path: Path) -> None:
    written(
        tmp_path,
        [judgement(judged("a\ud800b\0c", "\udfff!"))],
        replace(SALT, formats=("trl", "csv", "jsonl")),
    )
    assert lines(tmp_path, "sft")[0]["prompt"] == [user("a?b\0c")]
