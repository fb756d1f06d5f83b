"""Files of models that lie, burst or bring code: a sentence in each case, and nothing of theirs runs."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.base import collect
from backends.chat_templates.rendering import Renderer
from backends.errors import BackendError, BadChatTemplate, ModelUnsupported
from backends.llamacpp import LlamaCppBackend
from backends.llamacpp.gguf import read_header
from backends.llamacpp.servers import checked_header
from backends.local import LocalBackend
from backends.local.loading import shards
from backends.options import LlamaCppOptions, LocalOptions
from backends.types import Message, Request, Sampling
from tests.backends.tiny_models import make_folder

SEVERAL_MB = 8 * 2**20


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def pair(name: bytes, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def gguf(*pairs: bytes, tensors: tuple[bytes, ...] = (), count: int | None = None) -> bytes:
    head = struct.pack("<IQQ", 3, len(tensors), len(pairs) if count is None else count)
    return b"GGUF" + head + b"".join(pairs) + b"".join(tensors)


def tensor(*sizes: int, offset: int = 0) -> bytes:
    told = struct.pack("<I", len(sizes)) + b"".join(struct.pack("<Q", size) for size in sizes)
    return text(b"t") + told + struct.pack("<IQ", 0, offset)


HUGE = 2**63
U32, STRING, ARRAY = 4, 8, 9
DEEP = struct.pack("<IQ", ARRAY, 1) * 100_000
LYING = {
    "no alignment": gguf(pair(b"general.alignment", U32, struct.pack("<I", 0))),
    "odd alignment": gguf(pair(b"general.alignment", U32, struct.pack("<I", 33))),
    "alignment in words": gguf(pair(b"general.alignment", STRING, text(b"wide"))),
    "deep lists": gguf(pair(b"a", ARRAY, DEEP)),
    "many pairs": gguf(count=HUGE),
    "many tensors": b"GGUF" + struct.pack("<IQQ", 3, HUGE, 0),
    "long text": gguf(pair(b"a", STRING, struct.pack("<Q", HUGE))),
    "long name": gguf(struct.pack("<Q", 2**64 - 1)),
    "long list": gguf(pair(b"a", ARRAY, struct.pack("<IQ", U32, HUGE))),
    "long list of texts": gguf(pair(b"a", ARRAY, struct.pack("<IQ", STRING, HUGE))),
    "list of nothing": gguf(pair(b"a", ARRAY, struct.pack("<IQ", 99, 5))),
    "unknown kind": gguf(pair(b"a", 99, b"")),
    "broken name": gguf(pair(b"\xff\xfe", U32, struct.pack("<I", 1))),
    "many dimensions": gguf(tensors=(text(b"t") + struct.pack("<I", 2**32 - 1),)),
    "huge tensor": gguf(tensors=(tensor(2**32, 2**32),)),
    "a tensor elsewhere": gguf(tensors=(tensor(4, offset=2**62),)),
    "a tensor between": gguf(tensors=(tensor(4, offset=7),)),
    "another version": b"GGUF" + struct.pack("<IQQ", 9, 0, 0),
}


@pytest.mark.parametrize("content", LYING.values(), ids=LYING)
def test_a_gguf_that_lies_gets_a_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(BackendError) as caught:
        checked_header(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.message.startswith("model.gguf is")
    assert caught.value.cure
    assert peak < SEVERAL_MB


def read_any(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    try:
        header = read_header(path)
    except ValueError:
        return
    assert header.end >= 0
    assert (header.of_architecture("context_length") or 0) >= 0


WHOLE = gguf(
    pair(b"general.architecture", STRING, text(b"llama")),
    pair(b"llama.context_length", U32, struct.pack("<I", 64)),
    pair(b"tokenizer.ggml.tokens", ARRAY, struct.pack("<IQ", STRING, 2) + text(b"a") + text(b"b")),
    tensors=(tensor(4, 4), tensor(4, offset=64)),
)
PLACES = st.lists(st.tuples(st.integers(4, len(WHOLE) - 1), st.integers(0, 255)), max_size=8)


def fuzzed(places: list[tuple[int, int]], end: int) -> bytes:
    content = bytearray(WHOLE)
    for place, value in places:
        content[place] = value
    return bytes(content[:end])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(PLACES, st.integers(0, len(WHOLE)))
def test_any_damage_to_a_gguf_is_read_or_refused(
    tmp_path: Path, places: list[tuple[int, int]], end: int
) -> None:
    read_any(fuzzed(places, end), tmp_path / "model.gguf")


@pytest.mark.slow
@settings(max_examples=20_000, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(PLACES, st.integers(0, len(WHOLE)))
def test_much_damage_to_a_gguf_is_read_or_refused(
    tmp_path: Path, places: list[tuple[int, int]], end: int
) -> None:
    read_any(fuzzed(places, end), tmp_path / "model.gguf")


async def test_a_gguf_that_llama_cpp_does_not_survive_is_refused(demo_gguf: Path, tmp_path: Path) -> None:
    """It ends its process where an epsilon is negative."""
    pytest.importorskip("xllamacpp")
    path = tmp_path / "model.gguf"
    shutil.copy(demo_gguf, path)
    name = b"llama.attention.layer_norm_rms_epsilon"
    with path.open("r+b") as file:
        file.seek(file.read(2**20).index(name) + len(name) + 4)
        file.write(struct.pack("<f", -1.0))
    backend = LlamaCppBackend(LlamaCppOptions(path=path, context_length=64))
    with pytest.raises(ModelUnsupported, match="crashes on"):
        await backend.start()


def safetensors(header: str | bytes, data: bytes = b"\0" * 64, length: int | None = None) -> bytes:
    told = header.encode() if isinstance(header, str) else header
    return (len(told) if length is None else length).to_bytes(8, "little") + told + data


def one(**changes: Any) -> str:
    return json.dumps({"a": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]} | changes})


SHARDS = {
    "deep": safetensors('{"a":' + "[" * 100_000),
    "long": safetensors(one(), length=2**64 - 1),
    "huge number": safetensors(one().replace("[4, 4]", f"[{'9' * 5000}]")),
    "infinite": safetensors(one().replace("[4, 4]", "[Infinity]")),
    "not a number": safetensors(one().replace("[4, 4]", "[NaN]")),
    "negative": safetensors(one(shape=[-4, -4])),
    "text": safetensors(one(shape=["4", "4"])),
    "larger than its bytes": safetensors(one(shape=[2**40, 2**40])),
    "many sides": safetensors(one(shape=[1] * 100_000)),
    "offsets back": safetensors(one(data_offsets=[64, 0])),
    "offsets before": safetensors(one(data_offsets=[-64, 64])),
    "offsets in words": safetensors(one(data_offsets=["0", "64"])),
    "no table": safetensors('{"a": 7}'),
    "a list": safetensors("[]"),
}


@pytest.mark.parametrize("content", SHARDS.values(), ids=SHARDS)
def test_weights_that_lie_get_a_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(BackendError) as caught:
        shards.checked([path])
    assert "model.safetensors" in caught.value.message
    assert caught.value.cure


def test_weights_that_do_not_lie_are_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors(one()))
    assert shards.checked([path]).parameters == 16
    assert read_header_of(WHOLE, tmp_path) == 64


def read_header_of(content: bytes, folder: Path) -> int | None:
    (folder / "whole.gguf").write_bytes(content)
    return read_header(folder / "whole.gguf").of_architecture("context_length")


@pytest.fixture(scope="module")
def tiny(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("tiny")
    make_folder(demo_folder, folder)
    return folder


@pytest.fixture
def model(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to be damaged; its weights are the same file."""
    shutil.copytree(tiny, tmp_path / "model", copy_function=os.link)
    return tmp_path / "model"


def write(file: Path, content: str | bytes) -> None:
    """Also where the file is shared with the model it was copied from."""
    file.unlink(missing_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def changed(name: str, **values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / name
        told = json.loads(file.read_text()) if file.exists() else {}
        write(file, json.dumps(told | values))

    return change


def replaced(name: str, content: str | bytes) -> Callable[[Path], None]:
    return lambda folder: write(folder / name, content)


BOMB = '{"a":' + "[" * 100_000
CONFIGS = {
    "many layers": changed("config.json", num_hidden_layers=10**9),
    "layers without end": changed("config.json", num_hidden_layers=10**30),
    "half a layer": changed("config.json", num_hidden_layers=1.5),
    "fewer than no layers": changed("config.json", num_hidden_layers=-2),
    "layers in words": changed("config.json", num_hidden_layers="two"),
    "wide": changed("config.json", hidden_size=10**15),
    "wide heads": changed("config.json", head_dim=10**9),
    "many heads": changed("config.json", num_attention_heads=10**12),
    "no heads": changed("config.json", num_attention_heads=0),
    "not a number": changed("config.json", hidden_size=float("nan")),
    "infinite": changed("config.json", vocab_size=float("inf")),
    "many labels": changed("config.json", num_labels=10**9),
    "words in a list": changed("config.json", vocab_size=[1], architectures={"a": 1}),
    "text": changed("config.json", text_config="x"),
    "text in lists": changed("config.json", text_config=[[1]]),
    "no such model": changed("config.json", model_type=["llama"]),
    "odd experts": changed("config.json", num_experts="many", quantization_config="x"),
    "deep": replaced("config.json", BOMB),
    "a number": replaced("config.json", "9" * 10_000),
    "no text": replaced("config.json", b"\xff\xfe\x00"),
    "deep tokenizer settings": replaced("tokenizer_config.json", BOMB),
    "odd tokenizer settings": changed("tokenizer_config.json", eos_token=[[]], chat_template=7),
    "deep tokenizer": replaced("tokenizer.json", BOMB),
    "deep generation settings": replaced("generation_config.json", BOMB),
    "odd generation settings": changed("generation_config.json", eos_token_id={"a": 1}, temperature="hot"),
    "weights elsewhere": replaced(
        "model.safetensors.index.json", json.dumps({"weight_map": {"a": "../../secret.safetensors"}})
    ),
    "weights in lists": replaced("model.safetensors.index.json", json.dumps({"weight_map": {"a": [1]}})),
}


async def told(folder: Path, **options: Any) -> str:
    """What becomes of it: a reply of one token, or the sentence it is refused with."""
    backend = LocalBackend(
        LocalOptions(source=str(folder), threads=1, device="cpu", dtype="float32", **options)
    )
    try:
        backend.footprint()
        await backend.own_template()
        await collect(backend.stream(Request((Message("user", "Hi"),), Sampling(max_tokens=1))))
    except BackendError as error:
        return error.message if error.cure else "no cure"
    finally:
        await backend.aclose()
    return ""


@pytest.mark.parametrize("name", CONFIGS)
async def test_settings_that_lie_get_a_sentence(name: str, model: Path) -> None:
    CONFIGS[name](model)
    said = await told(model)
    assert said != "no cure"
    if name.startswith(("many", "layers", "deep", "wide", "text", "weights", "infinite", "no text")):
        assert said


class Runs:
    """A pickle that leaves a sign where it is opened."""

    def __init__(self, sign: Path) -> None:
        self._sign = sign

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self._sign), "w"))


def with_pickle(name: str) -> Callable[[Path, Path], None]:
    def change(folder: Path, sign: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / name).write_bytes(pickle.dumps(Runs(sign)))

    return change


def with_code(name: str, **values: Any) -> Callable[[Path, Path], None]:
    def change(folder: Path, sign: Path) -> None:
        code = f"open({str(sign)!r}, 'w').close()\n"
        for module in ("own.py", "configuration_own.py", "modeling_own.py", "tokenization_own.py"):
            (folder / module).write_text(code)
        changed(name, **values)(folder)

    return change


def with_template(template: str) -> Callable[[Path, Path], None]:
    def change(folder: Path, sign: Path) -> None:
        write(folder / "chat_template.jinja", template.replace("SIGN", str(sign)))

    return change


_OWN = {
    "AutoConfig": "configuration_own.Own",
    "AutoModelForCausalLM": "modeling_own.Own",
    "AutoTokenizer": ["tokenization_own.Own", "tokenization_own.Own"],
    "AutoProcessor": "own.Own",
}
RUNNING = {
    "pickled weights": with_pickle("pytorch_model.bin"),
    "a pickle that is called safetensors": with_pickle("model.safetensors"),
    "pickled shards": with_pickle("pytorch_model-00001-of-00001.bin"),
    "its own code": with_code("config.json", auto_map=_OWN, model_type="own"),
    "its own code under a known name": with_code("config.json", auto_map=_OWN),
    "its own tokenizer": with_code("tokenizer_config.json", auto_map=_OWN, tokenizer_class="OwnTokenizer"),
    "code of another repository": with_code(
        "config.json", auto_map={"AutoConfig": "someone/else--configuration_own.Own"}, model_type="own"
    ),
    "leave asked for by itself": with_code(
        "config.json", auto_map=_OWN, model_type="own", trust_remote_code=True
    ),
    "code to generate with": with_code("generation_config.json", custom_generate="own.Own"),
    "a quantization of its own": with_code("config.json", quantization_config={"quant_method": "own.Own"}),
    "attributes": with_template(
        "{{ ''.__class__.__mro__[1].__subclasses__()[104].__init__.__globals__['open']('SIGN', 'w') }}"
    ),
    "attributes by filter": with_template(
        "{{ (''|attr('__class__')|attr('__mro__'))[1]|attr('__subclasses__')() }}"
    ),
    "attributes by format": with_template("{{ '{0.__class__.__init__.__globals__}'.format(cycler) }}"),
    "globals of a function": with_template("{{ lipsum.__globals__['os'].system('touch SIGN') }}"),
    "globals of a class": with_template("{{ cycler.__init__.__globals__.os.system('touch SIGN') }}"),
    "joiner": with_template("{{ joiner.__init__.__globals__.os.popen('touch SIGN').read() }}"),
    "namespace": with_template("{{ namespace.__init__.__globals__.os.system('touch SIGN') }}"),
    "itself": with_template("{{ self.__init__.__globals__ }}{{ self._TemplateReference__context }}"),
    "include": with_template("{% include '/etc/passwd' %}"),
    "import": with_template("{% from 'os' import system %}{{ system('touch SIGN') }}"),
    "a function given": with_template("{{ raise_exception.__globals__.open('SIGN', 'w') }}"),
    "format of the date": with_template("{{ strftime_now.__globals__.sys.modules.os.system('touch SIGN') }}"),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNNING)
async def test_nothing_of_a_model_runs(name: str, model: Path, tmp_path: Path) -> None:
    sign = tmp_path / "it ran"
    RUNNING[name](model, sign)
    said = await told(model)
    assert not sign.exists()
    if "pickle" in name or name in ("its own code", "code of another repository", "include", "import"):
        assert said


BURSTING = {
    "a number of its own": "{{ 10 ** (10 ** 8) }}",
    "a repeated text": "{{ 'x' * 10 ** 11 }}",
    "a repeated list": "{{ [0] * 10 ** 10 }}",
    "a wide text": "{{ 'x'.ljust(10 ** 11) }}",
    "a wide number": "{{ '%0100000000000d' % 1 }}",
    "a doubled text": "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}"
    "{% endfor %}",
    "a replaced text": "{% set ns = namespace(s='xx') %}{% for i in range(40) %}"
    "{% set ns.s = ns.s.replace('x', 'xx') %}{% endfor %}",
    "a macro of itself": "{% macro a() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}",
    "deep brackets": "{{ " + "(" * 50_000 + "1" + ")" * 50_000 + " }}",
    "deep blocks": "{% if 1 %}" * 5_000 + "{% endif %}" * 5_000,
}


def test_a_template_that_bursts_is_ended_and_the_next_is_written() -> None:
    renderer = Renderer(seconds=2)
    for name, template in BURSTING.items():
        with pytest.raises(BadChatTemplate):
            pytest.fail(f"{name}: {len(renderer.render(template, [], {}))} characters")
        assert renderer.render("{{ 1 + 1 }}", [], {}) == "2"
