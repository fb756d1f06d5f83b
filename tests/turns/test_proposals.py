"""A title is found in what models answer, whatever is around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webchat.turns.titles.making import INSTRUCTION
from webchat.turns.titles.proposals import TITLE_CHARS, title_in

ANSWERS = [
    ("Here is a title for the conversation:\n\nBicycle repair basics", "Bicycle repair basics"),
    ("Sure! Here's a concise title:\n**Bicycle Repair**", "Bicycle Repair"),
    ('{"title": "Bicycle repair basics"}', "Bicycle repair basics"),
    ("Okay.\nThe person wants a title about bikes.\n</think>\n\nBicycle repair", "Bicycle repair"),
    ("<title>Bicycle repair</title>", "Bicycle repair"),
    ("Weather in Paris", "Weather in Paris"),
    ('\n "Weather"\nof course', "Weather"),
    ("Title: **Weather**", "Weather"),
    ("标题：「天气」。", "天气"),
    ("# Weather  and\tmore.", "Weather and more"),
    (" \n'\"\n", ""),
    ("x" * 61, ""),
    ("One line, no quotation marks, no full stop.", ""),
    ('```json\n{"title": "Bike Repair"}\n```', "Bike Repair"),
    ('{"title": "Bike repair ba', "Bike repair ba"),
    ("{'title': 'Bike repair'}", "Bike repair"),
    ('{"标题": "自行车维修"}', "自行车维修"),
    ('["Bike repair", "Fixing bikes"]', "Bike repair"),
    ('{"titles": ["Bike repair", "Fixing"]}', "Bike repair"),
    ('{"language": "en", "title": "Bike repair"}', "Bike repair"),
    ('Here you go: {"title": "Bike repair"}', "Bike repair"),
    ('"Bike repair"', "Bike repair"),
    ("1. Bike repair\n2. Fixing bikes\n3. Wheels", "Bike repair"),
    ("Here are three options:\n1. **Bike repair**\n2. Fixing bikes", "Bike repair"),
    ("- Bike repair\n- Fixing bikes", "Bike repair"),
    ("**Title:** Bike repair", "Bike repair"),
    ("**Title: Bike repair**", "Bike repair"),
    ("Title: Bike repair", "Bike repair"),
    ("Titre : Réparer un vélo", "Réparer un vélo"),
    ("Titel: Fahrradreparatur", "Fahrradreparatur"),
    ("题目：自行车维修", "自行车维修"),
    ("タイトル：自転車の修理", "自転車の修理"),
    ("제목: 자전거 수리", "자전거 수리"),
    ("Заголовок: Ремонт велосипеда", "Ремонт велосипеда"),
    ("当然！以下是标题：\n\n《自行车维修》", "自行车维修"),
    ("好的，标题是：“自行车维修”", "自行车维修"),
    ("Voici un titre :\n« Réparer un vélo »", "Réparer un vélo"),
    ("Hier ist ein Titel:\n„Fahrrad reparieren“", "Fahrrad reparieren"),
    ("Sure! Here's a title: Bike Repair", "Bike Repair"),
    ('Sure, here is a title: "Bike Repair"', "Bike Repair"),
    ('A good title would be "Bike Repair".', "Bike Repair"),
    ("I'd call it **Bike Repair**.", "Bike Repair"),
    ("Bike repair\n\nThis title captures the topic of the conversation.", "Bike repair"),
    ("Sure, I can help with that.\nBike repair", "Bike repair"),
    ("Bike repair\n(4 words)", "Bike repair"),
    ("Python: reading files", "Python: reading files"),
    ("Bicycle repair: basics", "Bicycle repair: basics"),
    ("Using vector<int> in C++", "Using vector<int> in C++"),
    ('The meaning of "foo"', 'The meaning of "foo"'),
    ("2. Weltkrieg", "2. Weltkrieg"),
    ("C# and .NET", "C# and .NET"),
    ("<think>hm</think>Bike repair", "Bike repair"),
    ("<thinking>\nhm\n</thinking>\n<title>Bike repair</title>", "Bike repair"),
    ("[THINK]hm[/THINK]Bike repair", "Bike repair"),
    ("◁think▷hm◁/think▷Bike repair", "Bike repair"),
    ("Here is a title:", ""),
    ("<answer>\nBike repair\n</answer>", "Bike repair"),
    ("`Bike repair`", "Bike repair"),
    ("_Bike repair_", "Bike repair"),
    ("### Bike repair", "Bike repair"),
    ("> Bike repair", "Bike repair"),
    ("[Bike repair](https://x.y)", "Bike repair"),
    ("What is a monad?", "What is a monad?"),
    ("العنوان: إصلاح الدراجة", "إصلاح الدراجة"),
    ("Let me think.\nThe conversation is about bikes.\n\nTitle: Bike repair", "Bike repair"),
    ("<title>Bike repair", "Bike repair"),
    ("Bike Repair\n\n---\n\nLet me know if you'd like another!", "Bike Repair"),
    ("{}", ""),
    ("[]", ""),
    ('{"title": ""}', ""),
    ("Subject: Bike repair", "Bike repair"),
    ("", ""),
    ("**Bike** repair", "Bike repair"),
]


@pytest.mark.parametrize(("answer", "title"), ANSWERS)
def test_a_title_is_peeled_out_of_an_answer(answer: str, title: str) -> None:
    assert title_in(answer, instruction=INSTRUCTION) == title


@pytest.mark.parametrize("answer", sorted({title for _, title in ANSWERS if title}))
def test_what_was_peeled_is_peeled_to_the_end(answer: str) -> None:
    assert title_in(answer) == answer


def test_a_line_that_was_cut_is_no_title_where_there_is_another() -> None:
    answer = "Bike repair\nThis title is about rep"
    assert title_in(answer, cut=True) == "Bike repair"
    assert title_in("Here is a title for it:\nBike rep", cut=True) == ""
    assert title_in("Bike repair", cut=True) == "Bike repair"


@given(st.text(st.sampled_from("ab 1.:{}[]\"'<>/*_#`\n：。「」"), max_size=120), st.booleans())
def test_every_answer_gives_one_short_line_or_none(answer: str, cut: bool) -> None:
    title = title_in(answer, cut=cut)
    assert len(title) <= TITLE_CHARS
    assert title == " ".join(title.split())
    assert not title.startswith(("{", "<"))
