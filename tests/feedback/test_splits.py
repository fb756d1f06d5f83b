"""Train and test: nothing in common, and stable when data comes and goes."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.feedback.made_up import comparison, judged, judgement, said
from tests.feedback.test_datasets import SALT, Record, lines, written
from webchat.feedback.datasets.alternating import Kept, alternating
from webchat.feedback.datasets.own_words import normalised, own_words
from webchat.store.judgement_records import JudgedMessage, Rating

WORDS = (
    "river",
    "stone",
    "cloud",
    "window",
    "paper",
    "engine",
    "garden",
    "winter",
    "silver",
    "market",
    "doctor",
)
CHINESE = "山水风云日月花草鱼鸟春夏秋冬东西南北天地人心手足金木火土上下左右前后来去"


def sentence(generator: random.Random) -> str:
    if generator.random() < 0.3:
        return "".join(generator.choice(CHINESE) for _ in range(25))
    return " ".join(generator.choice(WORDS) for _ in range(12))


def varied(text: str, generator: random.Random) -> str:
    """A near-duplicate: a letter less, other case or punctuation."""
    at = generator.randrange(len(text))
    return generator.choice((text[:at] + text[at + 1 :], text.upper(), f"{text}!!", text.replace(" ", ",  ")))


def crowd(seed: int, people: int, each: int = 2, repeats: float = 0.15) -> list[Record]:
    """People some of whom ask nearly the same, share a conversation, or only greet."""
    generator = random.Random(seed)
    asked = [sentence(generator)]
    records: list[Record] = []
    for person in range(people):
        for chat in range(each):
            conversation = f"chat-{person}-{chat}"
            if generator.random() < 0.05:
                conversation = "shared"
            question = sentence(generator)
            if generator.random() < repeats:
                question = varied(generator.choice(asked), generator)
            asked.append(question)
            path = said("Hello!", "Hi", question) if generator.random() < 0.5 else said(question)
            who, number = f"person-{person}", f"{seed}-{person}-{chat}"
            if generator.random() < 0.3:
                sides = (judged(path, "one", model="a"), judged(path, "two", model="b"))
                records.append(comparison(*sides, "left", person=who, conversation=conversation, id=number))
            else:
                one = judged(path, f"reply {number}", message_id=f"reply-{number}")
                rating: Rating = generator.choice((1, -1))
                records.append(judgement(one, rating, person=who, conversation=conversation, id=number))
    return records


def trigrams(text: str) -> set[str]:
    letters = normalised(text)
    return {letters[at : at + 3] for at in range(len(letters) - 2)}


def alike(one: str, other: str) -> float:
    first, second = trigrams(one), trigrams(other)
    return len(first & second) / len(first | second)


CONFIGS = ("sft", "dpo", "kto", "reward", "grpo")


def all_rows(folder: Path) -> list[dict[str, Any]]:
    return [row for config in CONFIGS for row in lines(folder, config)]


def questions(row: dict[str, Any]) -> str:
    prompt = row.get("prompt") or row["chosen"][:-1]
    return " ".join(
        turn["content"] for turn in prompt if turn["role"] == "user" and turn["content"] != "Hello!"
    )


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_train_and_test_have_nothing_in_common(tmp_path: Path, seed: int) -> None:
    found = written(tmp_path, crowd(seed, 25), replace(SALT, salt=f"{seed}", share=0.3))
    rows = all_rows(tmp_path)
    train, test = ([row for row in rows if row["split"] == name] for name in ("train", "test"))
    assert train
    assert test, found.notes
    for key in ("person", "conversation", "group"):
        assert not {row["webchat"][key] for row in train} & {row["webchat"][key] for row in test}
    asked, held_out = ({questions(row) for row in part} for part in (train, test))
    assert max(alike(one, other) for one in asked for other in held_out) < 0.8


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_deleting_a_person_changes_exactly_their_rows(tmp_path: Path, seed: int) -> None:
    """In a later export of the same name. A group that only they held together falls apart, but stays where
    it was."""
    records = crowd(seed, 12)
    options = replace(SALT, salt="", share=0.3)
    salt = written(tmp_path, records, options).salt
    before = all_rows(tmp_path)
    gone = random.Random(seed).choice(records).owner_id
    assert written(tmp_path, [one for one in records if one.owner_id != gone], options).salt == salt
    theirs = {one.id for one in records if one.owner_id == gone}

    def told(rows: list[dict[str, Any]]) -> list[str]:
        for row in rows:
            row["webchat"].pop("group")
        return sorted(json.dumps(row) for row in rows if row["webchat"]["judgement"] not in theirs)

    after = all_rows(tmp_path)
    assert not [row for row in after if row["webchat"]["judgement"] in theirs]
    assert told(before) == told(after)


def test_new_people_do_not_move_those_who_were_there(tmp_path: Path) -> None:
    records = crowd(4, 20, repeats=0)
    written(tmp_path, records)
    before = {row["webchat"]["judgement"]: row["split"] for row in all_rows(tmp_path)}
    newcomers = [
        replace(one, id=f"new-{one.id}", owner_id=f"new-{one.owner_id}", conversation_id=f"new-{one.id}")
        for one in crowd(5, 20)
    ]
    written(tmp_path, [*newcomers, *records])
    after = {row["webchat"]["judgement"]: row["split"] for row in all_rows(tmp_path)}
    assert before.items() <= after.items()
    assert set(before.values()) == {"train", "test"}


def test_greetings_templates_and_starters_glue_nobody(tmp_path: Path) -> None:
    starter = "Explain how rainbows form, in simple words."
    fact = "Tell me something surprising about octopuses"
    records: list[Record] = []
    for person in range(30):
        template = JudgedMessage(
            "user", "Translate the following text into French, keep its form:", template=True
        )
        for path in ((template,), said("Hello!"), said("你好"), said(starter)):
            records.append(judgement(judged(path, f"r{person}"), person=f"p{person}"))
    found = written(tmp_path, records)
    assert found.largest == pytest.approx(1 / 30)
    assert "30 groups" in (tmp_path / "export/README.md").read_text()
    records += [judgement(judged(fact, "r"), person=f"p{person}") for person in range(30)]
    assert written(tmp_path, records).largest == 1


def test_one_large_group_is_told_and_conversations_split_it(tmp_path: Path) -> None:
    records = [judgement(judged(f"{sentence(random.Random(at))}", f"r{at}")) for at in range(40)]
    found = written(tmp_path, records)
    assert found.notes == ("no_test", "one_group")
    assert found.rows["sft"] == {"train": 40}
    text = (tmp_path / "export/README.md").read_text()
    assert "**There is no test split:**" in text
    assert "Splitting by conversation" in text
    found = written(tmp_path, records, replace(SALT, by="conversation"))
    assert found.notes == ()
    assert set(found.rows["sft"]) == {"train", "test"}
    assert found.people == 1


def test_each_fold_is_the_test_split_once(tmp_path: Path) -> None:
    found = written(tmp_path, crowd(7, 40, repeats=0.02), replace(SALT, folds=4))
    assert set(found.rows["sft"]) == {f"fold-{at}" for at in range(1, 5)}
    sizes = found.rows["grpo"].values()
    assert max(sizes) <= 1.5 * min(sizes)
    configs = yaml.safe_load((tmp_path / "export/README.md").read_text().split("---\n")[1])["configs"]
    files = {one["config_name"]: {two["split"]: two["path"] for two in one["data_files"]} for one in configs}
    assert files["sft_fold2"] == {
        "train": [f"sft/fold-{at}.jsonl" for at in (1, 3, 4)],
        "test": "sft/fold-2.jsonl",
    }
    people = defaultdict(set)
    for row in all_rows(tmp_path):
        people[row["webchat"]["person"]].add(row["split"])
    assert all(len(folds) == 1 for folds in people.values())


def test_the_same_records_and_salt_give_the_same_files(tmp_path: Path) -> None:
    records = crowd(9, 15)
    for name in ("one", "other"):
        written(tmp_path / name, records)
    for path in sorted((tmp_path / "one").rglob("*.*")):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "other" / path.relative_to(tmp_path / "one")).read_bytes()


def test_own_words_are_letters_of_what_people_wrote() -> None:
    path = (
        *said(
            "Hello!", "I am a bot", "Ｗｈａｔ's   UP with my Printer, it prints only stars", system="Be kind."
        ),
        JudgedMessage("assistant", "hm"),
        JudgedMessage("user", "from a template", template=True),
    )
    assert [*own_words(path, frozenset())] == ["whatsupwithmyprinteritprintsonlystars"]
    long = said("Why is the sky blue at noon?", "a", "And why is it red at dusk?")
    assert len([*own_words(long, frozenset())]) == 3


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60), st.randoms())
@settings(max_examples=200, deadline=None)
def test_no_prompt_is_beside_itself_unless_counts_leave_no_other_way(
    given_rows: list[tuple[int, bool]], generator: random.Random
) -> None:
    rows = [
        Kept(generator.randrange(10**6), prompt, label, at) for at, (prompt, label) in enumerate(given_rows)
    ]
    order = [*alternating(rows)]
    assert sorted(order) == [*range(len(rows))]
    prompts = [given_rows[at][0] for at in order]
    beside = sum(one == other for one, other in pairwise(prompts))
    most = max((prompts.count(one) for one in set(prompts)), default=0)
    assert beside == max(0, most - (len(rows) - most) - 1)


@pytest.mark.parametrize("good", [1, 10, 50, 90])
def test_labels_are_spread_evenly(good: int) -> None:
    rows = [Kept(hash((at, 1)), at, at < good, at) for at in range(100)]
    labels = [at < good for at in alternating(rows)]
    for start in range(0, 100, 20):
        assert abs(sum(labels[start : start + 20]) - good / 5) <= 1
    assert [*alternating(rows)] == [*alternating(reversed(rows))]
