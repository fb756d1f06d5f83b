"""What a template may be, what its blanks take, and its way into a file and back."""

from __future__ import annotations

import json
import time
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from webchat.prompts.content import RESERVED, TemplateContent, Variable, fill_values
from webchat.prompts.errors import BadFile, BadTemplate, BadValues, TemplateError
from webchat.prompts.files import FILE_CHARS, json_file, read_file, yaml_file
from webchat.prompts.sandbox import Sandbox
from webchat.prompts.starters import LANGUAGES, starters
from webchat.prompts.texts import check_content, render_texts


def content(**fields: Any) -> TemplateContent:
    return TemplateContent.model_validate_json(json.dumps({"name": "N", "user": "U", **fields}))


def variable(**fields: Any) -> Variable:
    return Variable.model_validate_json(json.dumps({"name": "v", **fields}))


WRONG: dict[str, dict[str, Any]] = {
    "no name": {"name": ""},
    "a name of blanks": {"name": "  "},
    "a long name": {"name": "x" * 101},
    "no text": {"user": " \n"},
    "a long text": {"user": "x" * 20_001},
    "a field nobody knows": {"prompt": "x"},
    "a number as a text": {"user": 1},
    "no identifier": {"variables": [{"name": "two words"}]},
    "a leading underscore": {"variables": [{"name": "_x"}]},
    "a digit first": {"variables": [{"name": "1x"}]},
    "a ligature": {"variables": [{"name": "ﬁ"}]},
    "twice": {"variables": [{"name": "x"}, {"name": "x"}]},
    "too many": {"variables": [{"name": f"x{n}"} for n in range(51)]},
    "choice without choices": {"variables": [{"name": "x", "type": "choice"}]},
    "choices without choice": {"variables": [{"name": "x", "choices": ["a"]}]},
    "a choice twice": {"variables": [{"name": "x", "type": "choice", "choices": ["a", "a"]}]},
    "too many choices": {
        "variables": [{"name": "x", "type": "choice", "choices": [str(n) for n in range(201)]}]
    },
    "a default of another type": {"variables": [{"name": "x", "type": "number", "default": "1"}]},
    "a default that is no choice": {
        "variables": [{"name": "x", "type": "choice", "choices": ["a"], "default": "b"}]
    },
    "a default that is no date": {"variables": [{"name": "x", "type": "date", "default": "2026-02-30"}]},
    "hot": {"sampling": {"temperature": 3}},
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_template_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        content(**WRONG[name])


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_a_word_of_the_template_language_names_no_variable(word: str) -> None:
    with pytest.raises(ValidationError, match="another name"):
        variable(name=word)


def test_a_variable_is_called_by_its_name_unless_it_has_a_label() -> None:
    assert variable(name="who").label == "who"
    assert variable(name="名字", label="名字？").label == "名字？"


def test_unknown_variables_are_named_and_unused_ones_allowed() -> None:
    check_content(content(variables=[{"name": "unused"}]))
    with pytest.raises(BadTemplate) as refused:
        check_content(content(system="{{ a }}", user="\n{{ b }}", variables=[{"name": "a"}]))
    assert refused.value.params == {"line": 2, "where": "user", "reason": "unknown_variable", "name": "b"}
    with pytest.raises(BadTemplate) as refused:
        check_content(content(system="{% for x in a %}{% endfor %}{{ y }}", variables=[{"name": "a"}]))
    assert (refused.value.where, refused.value.name) == ("system", "y")


TAKES: list[tuple[str, Any, bool]] = [
    ("text", "x", True),
    ("text", 1, False),
    ("text", "x" * 1001, False),
    ("long_text", "x" * 100_000, True),
    ("long_text", "x" * 100_001, False),
    ("number", 1, True),
    ("number", -1.5, True),
    ("number", True, False),
    ("number", "1", False),
    ("number", 10**16, False),
    ("number", float("nan"), False),
    ("number", float("inf"), False),
    ("choice", "a", True),
    ("choice", "c", False),
    ("choice", "", False),
    ("choice", ["a"], False),
    ("date", "2026-11-24", True),
    ("date", "24.11.2026", False),
    ("date", "2026-11-24T00:00", False),
    ("date", "20261124", False),
    ("yes_no", False, True),
    ("yes_no", "yes", False),
    ("yes_no", 1, False),
]


@pytest.mark.parametrize(("kind", "value", "taken"), TAKES, ids=repr)
def test_each_type_takes_its_values(kind: str, value: Any, taken: bool) -> None:
    blank = variable(type=kind, choices=["a", "b"] if kind == "choice" else [])
    if taken:
        assert fill_values([blank], {"v": value}) == {"v": value}
        return
    with pytest.raises(BadValues) as refused:
        fill_values([blank], {"v": value})
    assert refused.value.params["field"] == "v"


def test_what_is_left_out_is_the_default_or_nothing() -> None:
    blanks = [variable(name="a", default="A"), variable(name="b"), variable(name="c", type="yes_no")]
    assert fill_values(blanks, {}) == {"a": "A", "b": "", "c": False}
    assert fill_values(blanks, {"a": None, "b": " "}) == {"a": "", "b": "", "c": False}
    for nothing in ({}, {"v": None}, {"v": " \n"}):
        with pytest.raises(BadValues, match="it is required"):
            fill_values([variable(required=True)], nothing)
    with pytest.raises(BadValues, match="no such variable"):
        fill_values(blanks, {"z": "x"})


async def test_both_texts_are_rendered() -> None:
    sandbox = Sandbox()
    made = content(system=" {{ a }}!\n", user="{{ a }}?", variables=[{"name": "a"}])
    texts = await render_texts(sandbox, made, {"a": "{{ a }}"}, "ada")
    assert (texts.system, texts.user) == ("{{ a }}!", "{{ a }}?")


TRICKY = [
    "yes", "no", "null", "~", "1", "1.5", "12:30", "2026-01-01", "0x1f", "1_000", "- a", "a: b", "{{ x }}",
    " lead", "trail ", "\n", "a\n\n b\n", "\t", "&a", "*a", "!!x", "# c", "'", '"', "|", "true", "\u2028",
    "a\x85\n", "\x00", "\ufeff", "=", "<<", "😀", "a\r\nb",
]  # fmt: skip
words = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.sampled_from(TRICKY))
names = st.sampled_from([f"v{n}" for n in range(20)] + ["名字", "é"])
numbers = st.one_of(st.integers(-(10**12), 10**12), st.floats(-1e12, 1e12))


@st.composite
def variables(draw: st.DrawFn, name: str) -> dict[str, Any]:
    kind = draw(st.sampled_from(["text", "long_text", "number", "choice", "date", "yes_no"]))
    made: dict[str, Any] = {"name": name, "label": draw(words), "type": kind, "hint": draw(words)}
    choices = draw(st.lists(words.filter(bool), min_size=1, max_size=4, unique=True))
    if kind == "choice":
        made["choices"] = choices
    defaults: dict[str, st.SearchStrategy[Any]] = {
        "text": words,
        "long_text": words,
        "number": numbers,
        "choice": st.sampled_from(choices),
        "date": st.dates(date(1000, 1, 1)).map(str),
        "yes_no": st.booleans(),
    }
    return {**made, "default": draw(st.none() | defaults[kind]), "required": draw(st.booleans())}


@st.composite
def contents(draw: st.DrawFn) -> TemplateContent:
    listed = draw(st.lists(names, max_size=4, unique=True))
    return content(
        name=draw(words.filter(str.strip)),
        description=draw(words),
        system=draw(words),
        user=draw(words.filter(str.strip)),
        variables=[draw(variables(name)) for name in listed],
        sampling=draw(st.sampled_from([{}, {"temperature": 0.1}, {"top_k": 5, "stop": ["\n", "null"]}])),
        model=draw(st.none() | words),
    )


@given(contents())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_file_brings_back_exactly_what_went_into_it(made: TemplateContent) -> None:
    assert read_file(yaml_file(made)) == made
    assert read_file(json_file(made)) == made
    assert TemplateContent.model_validate_json(json.dumps(made.json_value())) == made


SCRAPS = [
    "webchat_template: 1\n", "name: x\n", "user: y\n", "variables:\n", "- name: v\n", "  type: choice\n",
    "  choices: [a, b]\n", "a: &a\n", "b: *a\n", "!!python/object:os.system x\n", "? ", ": ", "{", "}", "[",
    "]", '"', "'", "|\n  x\n", ">\n", "---\n", "...\n", "%YAML 9\n", "<<: ", "\t", "\x00", "\ud800",
]  # fmt: skip
scraps = st.text(max_size=8) | st.sampled_from(SCRAPS)


@given(st.lists(scraps, max_size=15).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_template_or_told_not_to_be_one(text: str) -> None:
    try:
        found = read_file(text)
    except BadFile as error:
        assert error.message.startswith("This file is not a template")  # noqa: PT017  one of two ways
    else:
        assert found.name


junk = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.floats(), words),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(variables("v"), min_size=1, max_size=1), st.dictionaries(st.sampled_from(["v", "w"]), junk))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_a_form_sends_is_taken_or_refused_by_name(
    made: list[dict[str, Any]], values: dict[str, Any]
) -> None:
    blank = variable(**made[0])
    try:
        filled = fill_values([blank], values)
    except BadValues as error:
        assert error.params["field"] in ("v", "w")  # noqa: PT017  one of two ways
    else:
        assert isinstance(filled["v"], str | int | float)
        if blank.type == "choice":
            assert filled["v"] in (*blank.choices, "")


HEAD = "webchat_template: 1\nname: x\nuser: y\n"
LAUGHS = (
    HEAD
    + "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
)
BAD_FILES = {
    "nothing": "",
    "no template": "name: x\n",
    "a list": "- webchat_template: 1\n",
    "a later one": HEAD.replace("1", "2"),
    "a text": HEAD.replace("1", "'1'"),
    "true": HEAD.replace("1", "true"),
    "a field nobody knows": HEAD + "extra: 1\n",
    "billion laughs": LAUGHS,
    "an anchor alone": HEAD + "description: &a z\n",
    "a merge": HEAD + "<<: {description: z}\n",
    "an object": HEAD + "description: !!python/object/apply:os.system ['id']\n",
    "a tag": HEAD + "description: !!str z\n",
    "two documents": HEAD + "---\n" + HEAD,
    "deep yaml": HEAD + "variables: " + "[" * 20_000,
    "deep json": '{"webchat_template": 1, "variables": ' + "[" * 100_000,
    "wide": HEAD + "variables: [" + "{}," * 60_000 + "]",
    "nan": HEAD + "sampling: {temperature: .nan}\n",
    "json nan": '{"webchat_template": 1, "name": "x", "user": "y", "sampling": {"temperature": NaN}}',
    "a long number": '{"webchat_template": ' + "1" * 5000 + "}",
    "a date as what it is": HEAD + "variables: [{name: v, type: yes_no, default: yes}]\n",
    "too long": HEAD + "#" * FILE_CHARS,
    "no characters": HEAD + "description: \x00\n",
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_template_is_refused_at_once(name: str) -> None:
    began = time.thread_time()
    with pytest.raises(BadFile):
        read_file(BAD_FILES[name])
    assert time.thread_time() - began < 2


def test_plain_words_in_a_file_are_the_words_they_are() -> None:
    found = read_file(
        HEAD
        + "variables: [{name: v, type: choice, choices: [yes, no, 12:30, 1_000, 2026-01-01, 0x1f, on]}]\n"
    )
    assert found.variables[0].choices == ["yes", "no", "12:30", "1_000", "2026-01-01", "0x1f", "on"]


def test_a_file_is_for_people_to_read() -> None:
    text = yaml_file(content(user="Hello {{ a }}.\n\nBye.\n", variables=[{"name": "a"}]))
    assert text == (
        "webchat_template: 1\nname: N\nuser: |\n  Hello {{ a }}.\n\n  Bye.\nvariables:\n- name: a\n"
    )


@pytest.mark.parametrize("language", LANGUAGES)
async def test_starters_can_be_used_as_they_are(language: str) -> None:
    """With everything filled in, and with nothing that may be left out."""
    sandbox = Sandbox(seconds=5)
    for id, found in starters()[language].items():
        check_content(found)
        assert found.description
        used = found.system + found.user
        for blank in found.variables:
            assert blank.label != blank.name, (id, blank.name)
            assert blank.name in used
        required = {b.name: f"<{b.name}>" for b in found.variables if b.required and b.default is None}
        texts = [b for b in found.variables if b.type in ("text", "long_text")]
        for values in (required, {b.name: f"<{b.name}>" for b in texts}):
            made = await render_texts(sandbox, found, values, "ada")
            for name in values:
                assert f"<{name}>" in made.system + made.user
            for text in (made.system, made.user):
                assert "  " not in text.replace("\n", " | ").replace(" |  | ", "")
                assert "\n\n\n" not in text
    await sandbox.aclose()


def test_both_languages_have_the_same_starters() -> None:
    def shape(language: str) -> dict[str, list[tuple[str, str, bool, int]]]:
        return {
            id.removeprefix(f"starter-{language}-"): [
                (b.name, b.type, b.required, len(b.choices)) for b in found.variables
            ]
            for id, found in starters()[language].items()
        }

    assert set(shape("en")) == set(shape("zh-CN"))
    assert len(shape("en")) >= 8
    for id, found in shape("en").items():
        assert [v[:3] for v in found] == [v[:3] for v in shape("zh-CN")[id]], id


def test_every_error_of_templates_is_one_of_the_tree() -> None:
    assert {kind.code for kind in TemplateError.__subclasses__()} == {
        "template_broken",
        "template_values",
        "template_file",
    }
