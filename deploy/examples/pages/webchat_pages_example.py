"""Two pages for webchat: what testers thought, for operators, and a form that asks the model, for everybody.

A page is made of Gradio components. Its handlers take a `gr.Request`, from which the services read who asks;
what they refuse is raised as `gr.Error`, in that person's language.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import gradio as gr

from webchat.pages import Page, PageServices

TEXTS = gr.I18n(
    **{
        "en": {
            "ratings.again": "Refresh",
            "ratings.none": "No tester has rated a reply yet.",
            "letter.facts": "What the letter should say",
            "letter.example": "The parcel arrived broken. Offer a replacement.",
            "letter.tone": "Tone",
            "letter.friendly": "Friendly",
            "letter.formal": "Formal",
            "letter.write": "Write",
            "letter.letter": "Letter",
        },
        "zh-CN": {
            "ratings.again": "刷新",
            "ratings.none": "还没有测试者为回复评分。",
            "letter.facts": "信中要说的内容",
            "letter.example": "包裹到货时已损坏，提出补发。",
            "letter.tone": "语气",
            "letter.friendly": "亲切",
            "letter.formal": "正式",
            "letter.write": "撰写",
            "letter.letter": "信件",
        },
    }
)
COLUMNS = {
    "en": ["Link", "Model", "Good", "Bad", "Share good"],
    "zh-CN": ["链接", "模型", "好评", "差评", "好评率"],
}
PROMPT = {
    "en": "Write a short, {tone} letter to a customer. It should say: {facts}",
    "zh-CN": "请给客户写一封简短的信，语气{tone}。内容：{facts}",
}
TONES = {
    "friendly": {"en": "friendly", "zh-CN": "亲切"},
    "formal": {"en": "formal", "zh-CN": "正式"},
}


def create_ratings(services: PageServices) -> gr.Blocks:
    """A table of the ratings, by link and model."""

    async def show(request: gr.Request) -> tuple[gr.Dataframe, gr.Markdown]:
        visitor = services.visitor(request)
        rows = [
            [one.link, one.model, one.good, one.bad, f"{one.good / (one.good + one.bad):.0%}"]
            for one in await services.tester_ratings(visitor)
        ]
        table = gr.Dataframe(rows, headers=COLUMNS[visitor.language], visible=bool(rows))
        return table, gr.Markdown(visible=not rows)

    with gr.Blocks() as page:
        table = gr.Dataframe(interactive=False, visible=False)
        nothing = gr.Markdown(TEXTS("ratings.none"), visible=False)
        again = gr.Button(TEXTS("ratings.again"))
        gr.on([page.load, again.click], show, None, [table, nothing])
    return page


def create_letter(services: PageServices) -> gr.Blocks:
    """A form; the letter appears as the model writes it, and stays among the person's chats."""

    async def write(facts: str, tone: str, request: gr.Request) -> AsyncIterator[str]:
        visitor = services.visitor(request)
        words = TONES.get(tone, TONES["friendly"])[visitor.language]
        prompt = PROMPT[visitor.language].format(tone=words, facts=facts)
        async for reply in services.ask(visitor, prompt):
            yield reply.text

    with gr.Blocks() as page:
        facts = gr.Textbox(label=TEXTS("letter.facts"), placeholder=TEXTS("letter.example"), lines=3)
        tones = [(TEXTS(f"letter.{tone}"), tone) for tone in TONES]
        tone = gr.Radio(tones, value="friendly", label=TEXTS("letter.tone"))
        send = gr.Button(TEXTS("letter.write"), variant="primary")
        letter = gr.Textbox(label=TEXTS("letter.letter"), lines=8, interactive=False, buttons=["copy"])
        send.click(write, [facts, tone], letter)
    return page


RATINGS = Page(
    "ratings", {"en": "Testers' ratings", "zh-CN": "测试评分"}, create_ratings, "operator", texts=TEXTS
)
LETTER = Page("letter", {"en": "Write a letter", "zh-CN": "写信"}, create_letter, "anyone", texts=TEXTS)
