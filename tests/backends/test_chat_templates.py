"""A chat template is tried apart: it writes what the model will read, or its fault is named with the line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backends.base import collect
from backends.chat_templates.rendering import Templated, rendered
from backends.echo import EchoBackend
from backends.errors import BadChatTemplate, BadRequest
from backends.llamacpp import LlamaCppBackend
from backends.local import LocalBackend
from backends.openai_compat import OpenAICompatBackend
from backends.options import EndpointOptions, LlamaCppOptions, LocalOptions
from backends.types import Message, Request, Sampling, Sent
from tests.backends.tiny_models import make_folder
from tests.beats import computed

TALK = (
    Message("system", "Be <brief> & “kind”."),
    Message("user", "Which day?\n{{ no }} {% tag %}"),
    Message("assistant", "Tuesday 星期二 🎉"),
    Message("user", "And then?"),
)
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}

GOOD = {
    "plain": "{{ bos_token }}{% for m in messages %}{{ m['content'] | trim }}{{ eos_token }}\n{% endfor %}",
    "json": "{{ messages | tojson }}{{ messages[0] | tojson(indent=2) }}",
    "loop": "{% for m in messages %}{% if loop.last %}{% break %}{% endif %}{{ m.content }}{% endfor %}",
    "blocks": "{%- set ns = namespace(n=0) -%}\n  {% for m in messages %}\n"
    "{% set ns.n = ns.n + 1 %}{{ ns.n }}\n{% endfor %}",
    "generation": "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
    "macro": "{% macro say(m) %}<{{ m.role }}>{{ m.content }}{% endmacro %}"
    "{% for m in messages %}{{ say(m) }}{% endfor %}",
    "prompt": "{% if add_generation_prompt %}GO{% endif %}{{ messages | map(attribute='role') | join(',') }}",
    "year": "{{ strftime_now('%Y') }}",
    "nothing": "{{ tools is none }}{{ documents is none }}{{ enable_thinking is defined }}",
    "dict": "{{ dict(a=1) }}{{ dict.fromkeys(['b']) }}",
}
BROKEN = {
    "{{ 1 }}\n{% for m in messages %}\n{{ m.content }}\n": (2, 4),
    "{% if %}": (1, 1),
    "a\nb\n{{ raise_exception('only users, please') }}": (3, 3),
    "\n{{ messages[0].content.nothing() }}": (2, 2),
    "\n\n{{ unknown(3) }}": (3, 3),
    "{{ messages | nofilter }}": (1, 1),
    "{% include 'x' %}": (1, 1),
    "{{ ''.__class__.__mro__[1].__subclasses__() }}": (1, 1),
    "{% set ns = namespace(__class__=1) %}": (1, 1),
}
ENDLESS = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{{ 'many words ' * 1000 }}{% endfor %}",
    "{{ 'x' * 10 ** 12 }}",
    "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
]


@pytest.mark.parametrize("template", GOOD.values(), ids=GOOD)
async def test_it_writes_what_transformers_would(template: str, demo_folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(demo_folder)
    chat = [{"role": message.role, "content": message.text} for message in TALK]
    expected = tokenizer.apply_chat_template(
        chat, chat_template=template, tokenize=False, add_generation_prompt=True
    )
    special = {
        name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)
    }
    assert await rendered(template, TALK, special) == expected


@pytest.mark.parametrize("template", BROKEN)
async def test_what_is_wrong_is_named_with_its_line(template: str) -> None:
    with pytest.raises(BadChatTemplate) as caught:
        await rendered(template, TALK, SPECIAL)
    first, last = BROKEN[template]
    assert caught.value.line is not None
    assert first <= caught.value.line <= last
    assert caught.value.said
    if "raise_exception" in template:
        assert caught.value.said == "only users, please"


@pytest.mark.parametrize("template", ENDLESS)
async def test_what_has_no_end_is_ended(template: str) -> None:
    before = computed()
    with pytest.raises(BadChatTemplate):
        await rendered(template, TALK, SPECIAL, seconds=1)
    assert computed() - before < 5


async def test_one_that_is_given_up_leaves_no_process() -> None:
    task = asyncio.create_task(rendered(ENDLESS[0], TALK, SPECIAL))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture(scope="module")
def tiny(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    make_folder(demo_folder, folder)
    return folder


async def first(backend: LocalBackend | LlamaCppBackend, *messages: Message) -> Sent:
    stream = backend.stream(Request(messages, Sampling(max_tokens=1), trace=True))
    events = [event async for event in stream]
    assert isinstance(events[0], Sent)
    return events[0]


@pytest.mark.parametrize("kind", ["local", "llamacpp"])
async def test_what_is_tried_is_what_the_model_then_reads(kind: str, tiny: Path, demo_gguf: Path) -> None:
    template = "{% for m in messages %}({{ m.role }}) {{ m.content }}\n{% endfor %}(assistant)"
    options = {"chat_template": template, "template_source": "override/3"}
    backend: LocalBackend | LlamaCppBackend
    if kind == "local":
        pytest.importorskip("torch")
        backend = LocalBackend(LocalOptions(source=str(tiny), threads=1, **options))  # type: ignore[arg-type]
    else:
        backend = LlamaCppBackend(LlamaCppOptions(known=True, path=demo_gguf, context_length=512, **options))  # type: ignore[arg-type]
    assert isinstance(backend, Templated)
    own = await backend.own_template()
    assert own is not None
    assert "<|im_start|>" in own.text
    before = await backend.try_template(template, TALK)
    assert before.tokens is None
    try:
        sent = await first(backend, *TALK)
        tried = await backend.try_template(template, TALK)
        assert sent.rendered == tried.text == before.text
        assert len(sent.token_ids) == tried.tokens
        assert sent.template == "override/3"
        assert await backend.own_template() == own
        completion = await collect(backend.stream(Request(TALK, Sampling(max_tokens=1))))
        assert completion.finished.details["chat_template"] == "override/3"
    finally:
        await backend.aclose()


@pytest.mark.parametrize(
    ("template", "takes"),
    [
        ("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", True),
        ("{% for m in messages if m.role != 'system' %}{{ m.role }}: {{ m.content }}\n{% endfor %}", False),
        (
            "{% if messages[0].role == 'system' %}{{ raise_exception('No system here') }}{% endif %}"
            "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
            False,
        ),
    ],
)
async def test_a_model_whose_template_writes_no_system_prompt_has_no_role_for_it(
    template: str, takes: bool, tiny: Path, demo_gguf: Path
) -> None:
    for backend in (
        LocalBackend(LocalOptions(source=str(tiny), threads=1, chat_template=template)),
        LlamaCppBackend(
            LlamaCppOptions(known=True, path=demo_gguf, context_length=512, chat_template=template)
        ),
    ):
        try:
            await backend.start()
            assert backend.capabilities.system_role is takes, backend.kind
        finally:
            await backend.aclose()


@pytest.mark.parametrize(
    ("template", "may"),
    [
        ("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", True),
        (
            "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
            "{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}"
            "{{ m.content }}{% endfor %}",
            False,
        ),
    ],
)
async def test_whether_a_template_lets_the_model_speak_first_is_found_out(
    template: str, may: bool, tiny: Path, demo_gguf: Path
) -> None:
    for backend in (
        LocalBackend(LocalOptions(source=str(tiny), threads=1, chat_template=template)),
        LlamaCppBackend(
            LlamaCppOptions(known=True, path=demo_gguf, context_length=512, chat_template=template)
        ),
    ):
        try:
            await backend.start()
            assert backend.capabilities.speaks_first is may, backend.kind
        finally:
            await backend.aclose()


@pytest.mark.parametrize("kind", ["local", "llamacpp"])
async def test_a_template_that_explodes_later_is_ended_and_the_next_reply_comes(
    kind: str, tiny: Path, demo_gguf: Path
) -> None:
    """Whatever a trial has shown: it doubles with each message."""
    template = (
        "{% set ns = namespace(s='x') %}{% for m in messages %}{% for n in range(m.content | length) %}"
        "{% set ns.s = ns.s ~ ns.s %}{% endfor %}{% endfor %}{{ messages[0].content }}"
    )
    backend: LocalBackend | LlamaCppBackend
    if kind == "local":
        pytest.importorskip("torch")
        backend = LocalBackend(LocalOptions(source=str(tiny), threads=1, chat_template=template))
    else:
        backend = LlamaCppBackend(
            LlamaCppOptions(known=True, path=demo_gguf, context_length=512, chat_template=template)
        )
    short = Request((Message("user", "Hi"),), Sampling(max_tokens=1))
    try:
        assert (await collect(backend.stream(short))).usage
        with pytest.raises(BadRequest, match="too much time or memory"):
            await collect(backend.stream(Request((Message("user", "word " * 20),))))
        assert (await collect(backend.stream(short))).usage
    finally:
        await backend.aclose()


async def test_a_template_of_ones_own_dialect_is_no_matter_of_the_engine(demo_gguf: Path) -> None:
    """llama.cpp's own template engine knows less than jinja2 and is not asked."""
    pytest.importorskip("xllamacpp")
    backend = LlamaCppBackend(
        LlamaCppOptions(
            path=demo_gguf, context_length=512, chat_template="{{ messages[0].content | center(9) }}<think>"
        )
    )
    try:
        assert (await first(backend, Message("user", "Hello"))).rendered == "  Hello  <think>"
        completion = await collect(
            backend.stream(Request((Message("user", "Hello"),), Sampling(max_tokens=4, temperature=0)))
        )
        assert completion.reasoning
        assert not completion.text
    finally:
        await backend.aclose()


def test_only_models_in_this_process_have_one() -> None:
    assert not isinstance(EchoBackend(), Templated)
    assert not isinstance(OpenAICompatBackend(EndpointOptions("http://127.0.0.1:9/v1", "m")), Templated)
