"""Templates that anybody may have written do no harm: what was published as an escape is refused twice, by
the check and by the process behind it, and what would never end is ended."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.beats import computed
from webchat.prompts import worker
from webchat.prompts.content import Value
from webchat.prompts.errors import BadTemplate
from webchat.prompts.sandbox import SECONDS, Sandbox, parse
from webchat.slots import MOST_WAITING, Crowded

on_one_loop = pytest.mark.asyncio(loop_scope="module")

VALUES: dict[str, Value] = {"a": "Ada", "n": 3, "yes": True, "no": False, "empty": "", "long": "x " * 40_000}

ESCAPES = {
    "class": "{{ a.__class__ }}",
    "mro": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "item": "{{ a['__class__'] }}",
    "globals": "{{ range.__globals__ }}",
    "lipsum (GHSA-56xm, CVE-2024-34359)": "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "cycler": "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "joiner": "{{ joiner.__init__.__globals__ }}",
    "namespace": "{{ namespace.__init__.__globals__ }}",
    "self": "{{ self.__init__.__globals__ }}",
    "context": "{{ self._TemplateReference__context }}",
    "format method": "{{ '{0.__class__}'.format(a) }}",
    "format_map": "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "indirect format (CVE-2024-56326)": "{% set f = '{0.__class__}'.format %}{{ f(a) }}",
    "format through a filter (CVE-2024-56326)": "{{ ['{0.__class__}'.format]|map('call') }}",
    "attr filter (CVE-2025-27516)": "{{ '{0.__class__}'|attr('format')(a) }}",
    "attr filter, class": "{{ a|attr('__class__') }}",
    "attr filter, hex": "{{ a|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "map attribute": "{{ [a]|map(attribute='__class__')|list }}",
    "sort attribute": "{{ [a]|sort(attribute='__class__') }}",
    "unique attribute": "{{ [a]|unique(attribute='__class__')|list }}",
    "join attribute": "{{ [a]|join(attribute='__class__') }}",
    "join attribute, by place": "{{ [a]|join('', '__class__') }}",
    "sort attribute, by place": "{{ [a]|sort(false, false, '__class__') }}",
    "groupby": "{{ [a]|groupby('__class__') }}",
    "selectattr": "{{ [a]|selectattr('__class__')|list }}",
    "xmlattr (CVE-2024-22195)": "{{ {'a b': 1}|xmlattr }}",
    "block name (CVE-2024-56201)": "{% block x %}{% endblock %}",
    "include": "{% include '/etc/passwd' %}",
    "import": "{% import 'os' as os %}",
    "from": "{% from 'os' import path %}",
    "extends": "{% extends 'base' %}",
    "macro": "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{{ m() }}",
    "call": "{% call range(3) %}{% endcall %}",
    "pprint": "{{ range|pprint }}",
    "string of a function": "{{ range|string }}{{ range.__self__ }}",
    "config": "{{ config }}",
    "request": "{{ request.application.__globals__ }}",
    "gettext": "{% trans %}x{% endtrans %}",
    "debug": "{% debug %}",
    "do": "{% do a.append(1) %}",
    "code object": "{{ (range|list).append.__self__ }}",
    "generator": "{{ (a for a in b).gi_frame }}",
    "dict": "{{ dict(a=1) }}",
    "filter block": "{% filter attr('x') %}{% endfilter %}",
    "loop": "{% for i in [1] %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "loop cycle": "{% for i in [1] %}{{ loop.cycle.__globals__ }}{% endfor %}",
    "percent": "{{ '%(a)s' % {'a': 1} }}",
}

BOMBS = {
    "nested loops": "".join(f"{{% for i{n} in range(1000) %}}" for n in range(4)) + "x" + "{% endfor %}" * 4,
    "quiet loops": "".join(f"{{% for i{n} in range(1000) %}}" for n in range(4)) + "{% endfor %}" * 4,
    "times": "{{ 'a' * 10**9 }}",
    "times a name": "{{ a * 1000000 }}",
    "list times": "{{ [1] * 1000000 }}",
    "power": "{{ 9**9**9 }}",
    "power of a name": "{{ n ** n ** 99 }}",
    "center": "{{ a|center(10**9) }}",
    "center, written out": "{{ a|center(1000000000) }}",
    "format width": "{{ '%1000000000d' % n }}",
    "format filter": "{{ '%1000000000d'|format(n) }}",
    "string method": "{{ a.ljust(1000000000) }}",
    "doubling": "{% set x = a %}" + "{% set x = x ~ x %}" * 60 + "{{ x }}",
    "doubling sums": "{% set x = a %}" + "{% set x = x + x %}" * 60 + "{{ x }}",
    "squares": "{% set x = 999999 %}" + "{% set x = x * x %}" * 60 + "{{ x }}",
    "replace": "{{ long" + "|replace(' ', long)" * 5 + " }}",
    "join": "{{ range(1000)|join(long) }}",
    "indent": "{{ 'a\nb'|indent(1000000)" + "|indent(1000000)" * 200 + " }}",
    "truncate": "{{ long|truncate(1000000, true, long) }}" * 300,
    "round": "{{ 1.5|round(999999, 'floor') }}",
    "lists of lists": "{% set x = [a] %}" + "{% set x = [x, x, x, x] %}" * 40 + "{{ x }}",
    "recursion": "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "macro recursion": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "slice": "{{ range(1000)|slice(100000000)|list }}",
    "batch": "{{ range(3)|batch(1000000000, 0)|list }}",
    "range": "{{ range(1000000000)|list }}",
    "sorting": "{% for i in range(1000) %}{{ long|sort|length }}{% endfor %}",
    "deep brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "deep ifs": "{% if yes %}" * 1500 + "{% endif %}" * 1500,
    "long sum": "{{ " + "+".join(["1"] * 9000) + " }}",
    "long number": "{{ " + "9" * 19000 + " }}",
    "wordwrap": "{{ long|wordwrap(1) }}" * 200,
    "urlize": "{{ long|urlize }}" * 200,
    "many tags": "{%" * 9000,
}


SOON = 5 * SECONDS
"""Of processor time: the limit, and what a slow machine takes for the check and a process's start."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    made = Sandbox()
    yield made
    await made.aclose()


@pytest.mark.parametrize("name", ESCAPES)
async def test_a_published_escape_is_refused_by_the_check(name: str) -> None:
    with pytest.raises(BadTemplate) as refused:
        parse(ESCAPES[name], list(VALUES))
    assert refused.value.line <= 1


@on_one_loop
@pytest.mark.parametrize("name", ESCAPES)
async def test_the_process_alone_gives_nothing_away_either(name: str, sandbox: Sandbox) -> None:
    try:
        text = await sandbox.run(ESCAPES[name], VALUES)
    except BadTemplate as error:
        text = error.message
    for told in ("class", "module", "function", "built-in", "0x", "root:", "uid=", "Traceback", "/", "jinja"):
        assert told not in text


@on_one_loop
@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_is_ended_soon(name: str, sandbox: Sandbox) -> None:
    before = computed()
    try:
        text = await sandbox.render(BOMBS[name], VALUES)
    except BadTemplate as error:
        text = error.message
    assert computed() - before < SOON
    assert len(text) <= worker.MOST_CHARS
    assert await sandbox.render("{{ a|upper }}", VALUES) == "ADA"


@on_one_loop
@pytest.mark.parametrize("name", BOMBS)
async def test_the_process_alone_ends_it_too(name: str, sandbox: Sandbox) -> None:
    before = computed()
    try:
        text = await sandbox.run(BOMBS[name], VALUES)
    except BadTemplate as error:
        text = error.message
    assert computed() - before < SOON
    assert len(text) <= worker.MOST_CHARS


@on_one_loop
async def test_the_server_goes_on_while_a_bomb_burns(sandbox: Sandbox) -> None:
    bomb = asyncio.create_task(sandbox.run(BOMBS["quiet loops"], {}))
    ticks = 0
    while not bomb.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert isinstance(bomb.exception(), BadTemplate)
    assert ticks > 20


@on_one_loop
async def test_many_at_once_get_their_own_text(sandbox: Sandbox) -> None:
    texts = await asyncio.gather(
        *(sandbox.render("{% for i in range(50) %}{{ n }}{% endfor %}", {"n": n}, f"{n}") for n in range(60))
    )
    assert texts == [str(n) * 50 for n in range(60)]


@on_one_loop
async def test_whoever_renders_much_waits_for_themselves(sandbox: Sandbox) -> None:
    """Somebody's bombs take one of the places, one after the other."""
    bombs = [asyncio.create_task(sandbox.run(BOMBS["quiet loops"], {}, "eve")) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Crowded):
        await sandbox.run("{{ 1 }}", {}, "eve")
    for _ in range(5):
        assert await sandbox.render("{% if n %}{{ n }}{% endif %}", {"n": 3}, "ada") == "3"
    assert not all(bomb.done() for bomb in bombs)
    for bomb in bombs:
        bomb.cancel()
    await asyncio.gather(*bombs, return_exceptions=True)


@on_one_loop
async def test_a_long_value_that_stands_there_often_is_not_put_together(sandbox: Sandbox) -> None:
    source, value = "{{a}}" * 4000, "x" * 100_000
    tracemalloc.start()
    try:
        with pytest.raises(BadTemplate, match="longer than"):
            await sandbox.render(source, {"a": value})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200 * len(source) + 4 * len(value), "a few copies, not four thousand"


async def test_no_process_is_left_behind() -> None:
    made, before = Sandbox(seconds=1), _children()
    await made.render("no tags, no process", {})
    await made.render("{{ a }}, and none for variables alone", {"a": "A"})
    assert _children() == before
    bombs = [made.run(BOMBS["quiet loops"], {}) for _ in range(4)]
    fine = [made.run("{{ 1 }}", {}) for _ in range(4)]
    await asyncio.gather(*bombs, *fine, return_exceptions=True)
    # Whoever asks may leave at any moment.
    left = asyncio.create_task(made.run(BOMBS["quiet loops"], {}))
    await asyncio.sleep(0.05)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    assert _children() <= before + 2
    assert await made.run("{{ 1 + 1 }}", {}) == "2"
    await made.aclose()
    assert _children() == before


def _children() -> int:
    own, found = str(os.getpid()), 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            command = (stat.parent / "cmdline").read_text()
        except OSError:
            continue
        found += parent == own and state != "Z" and "_apart.py" in command
    return found


TEXTS = {
    "no tags": ("  1 { 2 } }} \r\n x ", "1 { 2 } }} \n x"),
    "values are no templates": ("{{ t }}", "{{ a }}"),
    "yes or no": ("{{ yes }} {{ no }}", "yes no"),
    "if": ("{% if a %}A{% else %}B{% endif %}{% if empty %}C{% endif %}", "A"),
    "a line of tags leaves none": ("1\n{% if a %}\n2\n  {% endif %}\n3", "1\n2\n3"),
    "a line that ends in a tag stays one": ("1{% if a %} 2{% endif %}\n\n3{# x #}\n4", "1 2\n\n3\n4"),
    "an indented line stays so": (":\n  {% if a %}1{% endif %} 2\n", ":\n  1 2"),
    "loop": ("{% for i in range(1, 4) %}{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}", "1, 2, 3"),
    "lines": ("{% for l in t2|lines %}- {{ l }}\n{% endfor %}", "- x\n- y"),
    "sums": ("{{ n * 2 + 1 }} {{ 7 // 2 }} {{ 7 % n }} {{ -n }}", "7 3 1 -3"),
    "joining": ("{{ a ~ n }} {{ 'x' + a }}", "Ada3 xAda"),
    "filters": ("{{ a|upper }} {{ empty|default('?', true) }} {{ a|length }}", "ADA ? 3"),
    "slices": ("{{ a[:2] }} {{ a[-1] }}", "Ad a"),
    "tests": ("{{ n is odd }} {{ a in 'Ada, Bo' }}", "yes yes"),
    "markup is left alone": ("{{ m }}<&>", "<b>&amp;</b><&>"),
    "chinese": ("{% if 名字 %}你好，{{ 名字 }}！{% endif %}", "你好，小明！"),
}


@on_one_loop
@pytest.mark.parametrize("name", TEXTS)
async def test_what_people_write_comes_out(name: str, sandbox: Sandbox) -> None:
    source, wanted = TEXTS[name]
    more: dict[str, Value] = {"t": "{{ a }}", "t2": "x\n\n y ", "m": "<b>&amp;</b>", "名字": "小明"}
    assert await sandbox.render(source, {**VALUES, **more}) == wanted


WRONG = {
    "{{ a }}\n{{ b }}": ("unknown_variable", 2, "b"),
    "{{ a }}\n\n{% if a %}": ("syntax", 3, ""),
    "{{ a": ("syntax", 1, ""),
    "\n{{ a.upper() }}": ("not_allowed", 2, "( )"),
    "\n{{ a|attr('x') }}": ("not_allowed", 2, "attr"),
    "\n\n{{ a + n }}": ("not_allowed", 3, ""),
    "\n{{ n // 0 }}": ("values", 2, ""),
    "{% if no %}{% set x = 1 %}{% endif %}\n{{ x }}": ("values", 2, ""),
    "{{ long }}{{ long }}": ("too_long", 0, ""),
    "{{ long|upper }}{{ long|upper }}": ("too_long", 0, ""),
    "{{ loop }}": ("unknown_variable", 1, "loop"),
    "{{ '{0}'.format }}": ("not_allowed", 1, ".format"),
}


@on_one_loop
@pytest.mark.parametrize("source", WRONG)
async def test_what_is_wrong_is_named_with_its_line(source: str, sandbox: Sandbox) -> None:
    with pytest.raises(BadTemplate) as refused:
        await sandbox.render(source, VALUES)
    error = refused.value
    assert (error.reason, error.line, error.name) == WRONG[source]
    assert error.message


@on_one_loop
async def test_a_process_that_died_while_idle_is_no_fault_of_the_next_template(sandbox: Sandbox) -> None:
    assert await sandbox.run("{{ n }}", VALUES) == "3"
    for _ in range(2):
        for process in sandbox._pool._idle:
            process.kill()
            process.wait()
        assert await sandbox.run("{{ n }}", VALUES) == "3"


WORDS = (
    "{{ }} {% %} {# #} -%} {%- if endif for in endfor set else a n yes long loop range ( ) [ ] . , | ~ + - *"
    " / ** % == is not upper replace join attr format __class__ 'x' 1 999999999 10 raw endraw macro"
)
WHOLE = [
    " ", "\n", "{{ a }}", "{{ n * n }}", "{% if a %}", "{% endif %}", "{% for i in range(9) %}",
    "{% endfor %}", "{{ a|upper }}", "{% set q = a %}", "{{ q ~ q }}", "你", "\x00", "\ud800", "\u2028",
]  # fmt: skip
pieces = st.one_of(st.sampled_from([*WORDS.split(" "), *WHOLE]), st.text(max_size=5))
sources = st.lists(pieces, max_size=25).map("".join)


FEW: dict[str, Value] = {"a": "Ada", "n": 3, "yes": True, "long": "x"}


async def _look(batch: list[str]) -> None:
    sandbox = Sandbox(seconds=10)
    try:
        for source in batch:
            try:
                text = await sandbox.render(source, FEW)
            except BadTemplate as error:
                if not error.message or error.line < 0:
                    raise AssertionError(source) from error
                continue
            # What is put together without a process is what the process makes of it.
            assert text == (await sandbox.run(source, FEW)).strip()
    finally:
        await sandbox.aclose()


# In batches: a process and an event loop for each single text would take most of the time.
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(sources, min_size=25, max_size=25))
def test_whatever_is_written_a_text_or_a_reason_comes_out(batch: list[str]) -> None:
    asyncio.run(_look(batch))


@given(st.text(alphabet="a{%#}-+ \n\r\tx", max_size=60))
@example(" {%")
@settings(max_examples=200, deadline=None)
def test_marking_lines_changes_no_line_numbers(source: str) -> None:
    marked = worker.as_lines(source)
    assert marked.count("\n") == source.replace("\r\n", "\n").replace("\r", "\n").count("\n")
    assert marked.replace("+", "") == source.replace("\r\n", "\n").replace("\r", "\n").replace("+", "")
