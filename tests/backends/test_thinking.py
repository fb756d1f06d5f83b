"""Reasoning is told from the answer by where its marks are, the same in every splitting; an answer about such
marks stays an answer."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from backends.markers.marks import MARKS, Marks, Table
from backends.markers.thinking import ThinkingSplitter
from backends.types import ReasoningDelta, TextDelta, TextWasReasoning, as_reasoning

THOUGHT, ANSWER = "I think.", "Oslo."


def split(pieces: list[str], *, prompt: str = "", field: bool = False) -> tuple[str, str]:
    """Reasoning and text; every delta has some. field: some reasoning came in a field before."""
    splitter = ThinkingSplitter(prompt)
    if field:
        splitter.reasoned()
    reasoning = text = ""
    for delta in [*(delta for piece in pieces for delta in splitter.feed(piece)), *splitter.flush()]:
        match delta:
            case TextWasReasoning():
                assert text.strip()
                reasoning, text = as_reasoning(reasoning, text), ""
            case TextDelta():
                assert delta.text
                text += delta.text
            case ReasoningDelta():
                assert delta.text
                reasoning += delta.text
    return reasoning, text


def anyhow(said: str, rounds: int, seed: object) -> list[list[str]]:
    """The text in pieces: of each of some sizes, and cut at random."""
    random = Random(f"{seed} {said}")
    cuts = [[said[at : at + size] for at in range(0, len(said), size)] for size in (1, 2, 3, 7)]
    for _ in range(rounds):
        places = [random.randrange(len(said) + 1) for _ in range(random.randrange(len(said) + 1))]
        cuts.append([said[a:b] for a, b in pairwise(sorted({0, len(said), *places}))])
    return cuts


def filled(mark: str) -> str:
    return mark.replace("*", "")


FAMILIES = [
    f"{filled(opening)}{THOUGHT}{filled(closing)}{''.join(map(filled, marks.answer[:1]))}{ANSWER}"
    for marks in MARKS
    for opening in marks.opening
    for closing in marks.closing
]
REPLIES = [
    ("<think>\nLet me see.</think>\n\n42", "Let me see.", "42"),
    ("\n<thinking>a < b</thinking>x", "a < b", "x"),
    ("<|begin_of_thought|>hm<|end_of_thought|>x", "hm", "x"),
    ("<think></think>\n\nx", "", "x"),
    ("<think>never ends </thi", "never ends </thi", ""),
    ("<reason>a</reason><think>b</think>c d", "ab", "c d"),
    ("<Think>I think.</Think>Oslo.", THOUGHT, ANSWER),
    ("< THINK >I think.</ think >Oslo.", THOUGHT, ANSWER),
    ('<think type="deep" n=3>I think.</think>Oslo.', THOUGHT, ANSWER),
    ("<seed:think>I think.</seed:think>Oslo.", THOUGHT, ANSWER),
    ("<longcat_think>I think.</longcat_think>Oslo.", THOUGHT, ANSWER),
    ("<|channel>thought\nI think.\n<channel|>Oslo.", THOUGHT, ANSWER),
    ("<|channel>thought\n<channel|>Oslo.", "", ANSWER),
    ("◁think▷I think.◁/think▷Oslo.", THOUGHT, ANSWER),
    ("<unused94>thought\nI think.<unused95>Oslo.", THOUGHT, ANSWER),
    ("<think>I think.</think>It is <|begin_of_box|>42<|end_of_box|>.", THOUGHT, "It is 42."),
    ("<think>a\n<think>\nb\n</think>\nc\n</think>\nOslo.", "a\n<think>\nb\n\nc", ANSWER),
    # Harmony without its tokens
    ("analysisI think.assistantfinalOslo.", THOUGHT, ANSWER),
    ("\nanalysis用户问首都。assistantfinal奥斯陆。", "用户问首都。", "奥斯陆。"),
    (
        "analysisA.assistantcommentary to=functions.f json{}assistantanalysisB.assistantfinalOslo.",
        "A.\n\nto=functions.f json{}\n\nB.",
        ANSWER,
    ),
    ("analysisI think.assistantfinalThe assistantfinal mark.", THOUGHT, "The assistantfinal mark."),
    ("analysisI never end, assistantfi", "I never end, assistantfi", ""),
    ("analysis of variance compares means", "", "analysis of variance compares means"),
    ("analysis: done", "", "analysis: done"),
    ("analysis", "", "analysis"),
    ("ana", "", "ana"),
    ("The assistantfinal mark", "", "The assistantfinal mark"),
    ("[THINK]I think.[/THINK]Oslo.", THOUGHT, ANSWER),
    (
        "<|channel|>analysis<|message|>I think.<|end|><|start|>assistant<|channel|>final<|message|>Oslo.",
        THOUGHT,
        ANSWER,
    ),
    (
        "<|start|>assistant<|channel|>analysis<|message|>I think.<|end|>"
        "<|start|>assistant<|channel|>commentary to=functions.look <|constrain|>json<|message|>{}<|call|>"
        "<|start|>assistant<|channel|>final<|message|>```\n<|end|>```<|return|>",
        "I think.\n\n{}",
        "```\n```",
    ),
    (
        "<|channel|>analysis<|message|>one<|end|><|start|>assistant<|channel|>analysis<|message|>two"
        "<|start|>assistant<|channel|>final <|constrain|>json<|message|>Oslo.<|return|>",
        "one\n\ntwo",
        ANSWER,
    ),
    (
        "<|channel|>commentary<|message|>I will look.<|end|>"
        "<|start|>assistant to=functions.look<|channel|>commentary json<|message|>{}<|call|>",
        "{}",
        "I will look.",
    ),
    (
        "<|START_THINKING|>I think.<|END_THINKING|><|START_RESPONSE|>Oslo.<|END_RESPONSE|>",
        THOUGHT,
        ANSWER,
    ),
]
SEVERAL = [
    ("<think>one</think>\n\nFirst.\n\n<think>two</think>\n\nOslo.", "one\n\ntwo", "First.\n\nOslo."),
    ("<think>one</think>\n\n<think>two</think>\n\nOslo.", "one\n\ntwo", ANSWER),
    ("<think>one</think>First.<think>two</think>Oslo.", "one\n\ntwo", "First.Oslo."),
    ("Let me see.\n<think>\nhm\n</think>\nOslo.", "hm", "Let me see.\nOslo."),
    ("<think>\n<think>\na\n</think>\n</think>\nOslo.", "a", ANSWER),
    ("<think>a<think>b</think>c</think>Oslo.", "a<think>b\n\nc", ANSWER),
]
ONLY_CLOSED = [
    ("The person asks about Norway.\n</think>\n\nThe capital is Oslo.", "The person asks about Norway."),
    ("The person asks about Norway.</think>\n\nThe capital is Oslo.", "The person asks about Norway."),
    ("The person asks about Norway. </think>\nThe capital is Oslo.", "The person asks about Norway."),
    ("Norway? Yes!</think>The capital is Oslo.", "Norway? Yes!"),
    ("用户在问挪威。</think>The capital is Oslo.", "用户在问挪威。"),
    ("so Oslo it is\n\n</thinking>\nThe capital is Oslo.", "so Oslo it is"),
    ("Norway.[/THINK]The capital is Oslo.", "Norway."),
    ("Norway.◁/think▷The capital is Oslo.", "Norway."),
    ("Norway.<|end|><|start|>assistant<|channel|>final<|message|>The capital is Oslo.", "Norway."),
    ("A ` alone, `code`, $x$\nNorway\n</think>The capital is Oslo.", "A ` alone, `code`, $x$\nNorway"),
]
STRAY = [
    ("</think>\n\nOslo.", ANSWER),
    ("\n</think>Oslo.", ANSWER),
    ("Oslo.\n</think>", "Oslo.\n"),
    ("Oslo.</think>\n", "Oslo."),
    ("Oslo.\n<think>", "Oslo.\n"),
    ("Oslo.<think>\n", "Oslo."),
]
ABOUT = [
    "<thin air",
    "  plain\n",
    "你好<think>😀",
    "The tag <think>is</think> here",
    "The tag `</think>` closes it.\n`</think>`",
    "It ends with </think>\nand then the answer comes.",
    "It ends with `</think>`.\n\nThen the answer comes.",
    "Templates have this:\n\n```jinja\n<think>\nhm.\n</think>\n```\n\nSo it is.",
    "1. Like this:\n   ~~~\n   <think>\n   </think>\n   ~~~\n2. Done.",
    "> ```\n</think>\n> ```",
    "As code:\n\n    <think>\n    hm\n    </think>\n\nDone.",
    "Models write <think> first.\nThey reason.\n</think>\nThen they answer.",
    'In "</think>" and *</think>* and (</think>) nothing ends.',
    "Write `x.</think>y` so.",
    "结束标签是</think>，用于结束。",
    "Mistral writes [THINK] and [/THINK], gpt-oss <|channel|>analysis<|message|> and <|end|>.",
    "1 < 2 and <div>x</div>, a [link](b) and [1].",
    "I rethought it: <rethink> and <thinker> are no such tags.\n<thinker>\n",
    "x <think",
]


@pytest.mark.parametrize(("said", "reasoning", "text"), [*REPLIES, *SEVERAL])
def test_marks_are_found_in_every_splitting(said: str, reasoning: str, text: str) -> None:
    for pieces in [[said], *anyhow(said, 20, "found")]:
        assert split(pieces) == (reasoning, text), pieces


@pytest.mark.parametrize("said", FAMILIES)
def test_every_family_of_the_table_is_told_apart(said: str) -> None:
    for pieces in [[said], [said.upper()], *anyhow(said, 5, "family")]:
        reasoning, text = split(pieces)
        assert (reasoning.lower(), text.lower()) == (THOUGHT.lower(), ANSWER.lower()), pieces


@pytest.mark.parametrize(("said", "reasoning"), ONLY_CLOSED)
def test_a_closing_mark_alone_makes_reasoning_of_what_came_before(said: str, reasoning: str) -> None:
    for pieces in [[said], *anyhow(said, 20, "closed")]:
        assert split(pieces) == (reasoning, "The capital is Oslo."), pieces


@pytest.mark.parametrize(("said", "text"), STRAY)
@pytest.mark.parametrize("field", [True, False])
def test_a_stray_mark_with_nothing_on_one_side_is_left_out(said: str, text: str, field: bool) -> None:
    for pieces in [[said], *anyhow(said, 5, "stray")]:
        assert split(pieces, field=field) == ("", text), pieces


@pytest.mark.parametrize("said", ABOUT)
def test_an_answer_about_marks_stays_as_it_is(said: str) -> None:
    for pieces in [[said], *anyhow(said, 20, "about")]:
        assert split(pieces) == ("", said), pieces


@pytest.mark.parametrize("said", [said for said in ABOUT if said.strip() == said])
def test_an_answer_about_marks_stays_as_it_is_behind_reasoning(said: str) -> None:
    assert split([f"<think>hm</think>{said}"]) == ("hm", said)


@pytest.mark.parametrize("marks", MARKS)
def test_a_prompt_that_ends_in_a_mark_has_opened_the_reasoning(marks: Marks) -> None:
    prompt = f"<|im_start|>assistant\n{filled(marks.opening[0])}\n"
    said = f"I think.{filled(marks.closing[0])}Oslo."
    for pieces in [[said], *anyhow(said, 5, "prompt")]:
        assert split(pieces, prompt=prompt) == (THOUGHT, ANSWER)
    assert split(["It opens."], prompt=f"What does {marks.opening[0]} mean?") == ("", "It opens.")


def test_words_are_shown_as_they_come() -> None:
    splitter = ThinkingSplitter()
    for piece in ["The ", "answer\n", "is 1", " - 2.\n\n", "Or `", "x`"]:
        assert splitter.feed(piece) == [TextDelta(piece)]


def test_a_table_takes_further_marks() -> None:
    table = Table([Marks(("<deliberate>", "Thoughts:"), ("</deliberate>", "Answer:"))])
    for said in ("<Deliberate>I think.</deliberate>Oslo.", "Thoughts: I think.\nAnswer: Oslo."):
        for pieces in anyhow(said, 5, "extra"):
            splitter = ThinkingSplitter(table=table)
            deltas = [*(delta for piece in pieces for delta in splitter.feed(piece)), *splitter.flush()]
            said_in = {
                kind: "".join(delta.text for delta in deltas if isinstance(delta, kind))
                for kind in (ReasoningDelta, TextDelta)
            }
            assert said_in == {ReasoningDelta: THOUGHT, TextDelta: ANSWER}


SNIPPETS = [
    *("<think>", "</think>", "<th", "ink>", "</", "<Thinking x='y'>", "</thinking>", "[THINK]", "[/THINK]"),
    *("<|channel|>analysis<|message|>", "<|end|>", "<|start|>assistant", "<|channel|>final<|message|>"),
    *("<|channel|>commentary", " to=f", "<|message|>", "<|channel>thought\n", "<channel|>", "◁think▷"),
    *("<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>", "◁/think▷"),
    *(
        "`",
        "``",
        "```",
        "```\n",
        "~~~",
        "- ",
        "> ",
        "    ",
        "\t",
        " ",
        "\n",
        "\n\n",
        "a",
        "word. ",
        "你。",
        "<",
    ),
]


def made_up(seed: int) -> tuple[str, bool]:
    random = Random(seed)
    return "".join(random.choices(SNIPPETS, k=random.randrange(1, 14))), random.random() < 0.2


def check_any_splitting(seeds: range) -> None:
    corpus = [
        said for said, *_ in (*REPLIES, *SEVERAL, *ONLY_CLOSED, *STRAY, *((said,) for said in ABOUT))
    ] + FAMILIES
    for seed in seeds:
        said, field = (corpus[seed % len(corpus)], False) if seed % 2 else made_up(seed)
        whole = split([said], field=field)
        for pieces in anyhow(said, 1, seed)[-1:]:
            assert split(pieces, field=field) == whole, (said, pieces)


def test_any_splitting_gives_the_same() -> None:
    check_any_splitting(range(300))


@pytest.mark.slow
def test_any_of_very_many_splittings_gives_the_same() -> None:
    check_any_splitting(range(300, 20_300))
