"""The README.md of a dataset: configs for programs, and a data card for people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backends._plurals import counted
from webchat.feedback.datasets.counting import DEFAULT_LENGTH, Counts, max_length
from webchat.feedback.datasets.options import LARGEST, ExportOptions, NoteKey
from webchat.feedback.datasets.rows import LEFT_OUT
from webchat.feedback.results.agreement import Agreement

_FOLD = re.compile(r"_fold\d+$")
_MOST_NAMED = 30
_NO_LANGUAGE = "other"
_TRAINERS = {"sft": "sft", "dpo": "dpo", "kto": "kto", "reward": "reward", "messages": "sft"}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_ABOUT = {
    "sft": "one accepted reply each, or the better answer in its place; only the reply is trained on",
    "dpo": "pairs from votes, better answers, and versions of a reply that one person judged apart",
    "kto": "thumbs; good and bad ones alternate, so keep the order of the file",
    "reward": "the pairs of dpo with the prompt in both sides",
    "grpo": "prompts alone, each once",
    "messages": "whole conversations; training on them includes the words of people and earlier replies",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the card tells. files: of each config by split. features: columns of configs with tools, for
    `datasets`. groups: how many; largest: its share."""

    options: ExportOptions
    counts: Counts
    rows: Mapping[str, Mapping[str, int]]
    files: Mapping[str, Mapping[str, Sequence[str]]]
    features: Mapping[str, Sequence[Mapping[str, Any]]]
    people: int
    conversations: int
    texts: int
    repeated: int
    similar: int
    groups: int
    largest: float
    notes: Sequence[NoteKey]
    agreement: Agreement | None


def card(facts: Facts) -> str:
    """The whole README.md."""
    return f"---\n{_yaml(facts)}---\n\n" + "\n".join(_body(facts)) + "\n"


def _yaml(facts: Facts) -> str:
    import yaml

    languages = sorted(name for name in facts.counts.languages if name != _NO_LANGUAGE)
    total = sum(sum(splits.values()) for splits in facts.rows.values())
    found: dict[str, Any] = {"license": facts.options.licence}
    if languages:
        found["language"] = languages
    found |= {
        "task_categories": ["text-generation"],
        "tags": ["trl", "human-feedback"],
        "size_categories": [next((name for most, name in _SIZES if total < most), "n>1M")],
    }
    if facts.files:
        found["configs"] = [
            {
                "config_name": config,
                "data_files": [{"split": name, "path": _one(path)} for name, path in splits.items()],
            }
            for config, splits in facts.files.items()
        ]
    typed = [
        {"config_name": config, "features": facts.features[kind]}
        for config in facts.files
        if (kind := _FOLD.sub("", config)) in facts.features
    ]
    if typed:
        found["dataset_info"] = typed
    return str(yaml.safe_dump(found, allow_unicode=True, sort_keys=False))


def _one(paths: Sequence[str]) -> str | list[str]:
    return paths[0] if len(paths) == 1 else list(paths)


def _body(facts: Facts) -> Iterator[str]:
    counts = facts.counts
    yield "# Human feedback on a chat model"
    yield ""
    yield (
        f"{counted(counts.records['judgement'], 'judgement')} and"
        f" {counted(counts.records['comparison'], 'comparison')} by"
        f" {counted(facts.people, 'person', 'people')} in"
        f" {counted(facts.conversations, 'conversation')}, collected with webchat."
    )
    if counts.first and counts.last:
        yield f"From {counts.first:%Y-%m-%d} to {counts.last:%Y-%m-%d} (UTC)."
    yield ""
    yield from _configs(facts)
    yield from _splits(facts)
    yield from _table("Models", counts.models, "judged replies")
    yield from _table("Adapters", counts.adapters, "judged replies")
    yield from _table("Prompt templates", counts.templates, "judged replies")
    yield from _table("Tester links", counts.links, "judgements and comparisons", "(no link)")
    yield from _table("Languages", counts.languages, "judgements and comparisons")
    yield "Languages are guessed from the script and common words of the last message."
    yield ""
    yield from _table("Review", counts.reviews, "judgements and comparisons")
    yield from _consents(counts)
    yield from _privacy(facts)
    yield from _left_out(counts)
    yield from _quality(facts)


def _configs(facts: Facts) -> Iterator[str]:
    if not facts.rows:
        yield "No row could be made."
        yield ""
        return
    yield "## Files"
    yield ""
    yield "| Config | Split | Rows | Longest, about | Over 1,024 tokens | Use |"
    yield "|---|---|---|---|---|---|"
    for config, splits in facts.rows.items():
        kind = config.removesuffix("_tools")
        longest, long = facts.counts.longest[config], facts.counts.long[config]
        for name, rows in splits.items():
            yield f"| `{config}` | {name} | {rows} | {longest} tokens | {long} | {_ABOUT.get(kind, '')} |"
    yield ""
    yield (
        "Everything that is not for training is in the column `webchat`. Conversations with tools are in"
        " the configs that end in `_tools`. Numbers of tokens are estimates; tokenizers differ."
    )
    if any(config.endswith("_tools") for config in facts.rows):
        yield ""
        yield (
            "Rows of the configs that end in `_tools` have the tool calls and their results, and in the"
            " column `tools` the definitions that the model was asked with, as JSON; `[]` where it had none."
        )
    yield ""
    commands = [line for config in facts.files for line in _command(facts, config)]
    if commands:
        yield from ("```", *commands, "```", "")
    if any(facts.counts.long.values()):
        yield (
            f"Trainers cut or drop rows over {DEFAULT_LENGTH:,} tokens without an error; the `--max_length`"
            " above keeps them."
        )
        yield ""


def _command(facts: Facts, config: str) -> Iterator[str]:
    trainer = _TRAINERS.get(config.removesuffix("_tools"))
    if trainer is not None:
        length = max_length(facts.counts.longest[config])
        yield (
            f"trl {trainer} --model_name_or_path MODEL --dataset_name . --dataset_config {config}"
            f" --max_length {length}"
        )


def _splits(facts: Facts) -> Iterator[str]:
    options = facts.options
    person = "person, " if options.by == "person" else ""
    yield "## Splits"
    yield ""
    yield (
        f"Rows that share a {person}conversation or near-duplicate of what people wrote are in one group,"
        f" and a group is in one split: {counted(facts.groups, 'group')}, the largest with"
        f" {facts.largest:.0%} of the judgements."
        " Greetings, starters and prompt templates do not count as what people wrote."
    )
    if options.folds:
        yield f"There are {options.folds} folds, each of which is the test split once."
    else:
        yield (
            f"A group is held out by its salted hash ({options.share:.0%} of them), unless the export that"
            " this one replaced had it already."
        )
    yield f"Salt: `{_plain(options.salt)}`."
    if "no_test" in facts.notes:
        yield "**There is no test split:** everything belongs to one group."
    if "one_group" in facts.notes:
        yield (
            f"**One group has more than {LARGEST:.0%} of the judgements.** Splitting by conversation gives"
            " smaller groups."
        )
    yield ""


def _consents(counts: Counts) -> Iterator[str]:
    if not counts.consents:
        return
    yield "## Consent"
    yield ""
    for (link, version), text in sorted(counts.consents.items()):
        count = counts.consented[link, version]
        yield f"- {_plain(link)}, version {version} ({count} judgements and comparisons): {_plain(text)}"
    yield ""


def _privacy(facts: Facts) -> Iterator[str]:
    yield "## Personal data"
    yield ""
    if facts.options.mask is None:
        yield "Not masked in this export. It may contain personal data."
    else:
        yield (
            "Telephone numbers, e-mail and other addresses, identity and bank numbers, and names that a text"
            f" announces were replaced by placeholders, in {facts.counts.hidden} judgements and comparisons."
        )
    masked = counted(facts.counts.masked, "place")
    yield f"Models saw placeholders in {masked} where people wrote personal data."
    yield "People and conversations are salted hashes. Data of deleted people is not included."
    yield ""


def _left_out(counts: Counts) -> Iterator[str]:
    if not +counts.left_out:
        return
    yield "## Left out"
    yield ""
    yield "| How many | Why |"
    yield "|---|---|"
    for key, why in LEFT_OUT.items():
        if counts.left_out[key]:
            yield f"| {counts.left_out[key]} | {why} |"
    yield ""


def _quality(facts: Facts) -> Iterator[str]:
    yield "## Duplicates and agreement"
    yield ""
    yield (
        f"Of {facts.texts + facts.repeated} texts that people wrote, {facts.repeated} repeat another one word"
        f" for word and {facts.similar} are near-duplicates of another one (MinHash of character n-grams)."
    )
    found = facts.agreement
    if found is None:
        yield "Agreement cannot be told: no two people rated the same replies differently enough to compare."
    else:
        yield (
            f"Krippendorff's alpha of thumbs is {found.alpha:.2f} (95 %: {found.interval.low:.2f} to"
            f" {found.interval.high:.2f}), from {found.units} replies that several people rated."
        )


def _table(title: str, counts: Counter[str], what: str, nothing: str = "(none)") -> Iterator[str]:
    if not any(counts):
        return
    yield f"## {title}"
    yield ""
    yield f"| Name | {what} |"
    yield "|---|---|"
    for name, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:_MOST_NAMED]:
        yield f"| {_plain(name) or nothing} | {count} |"
    if len(counts) > _MOST_NAMED:
        yield f"| {len(counts) - _MOST_NAMED} more | {sum(sorted(counts.values())[:-_MOST_NAMED])} |"
    yield ""


def _plain(text: str) -> str:
    """A text from elsewhere that Markdown and HTML leave alone."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~&])", r"\\\1", " ".join(text.split()))
