"""LoRA adapters on one model: each row its own, the model itself unchanged, and every refusal harmless."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from backends.errors import BackendError, ModelNotFound, ModelUnsupported
from tests.backends.tiny_models import make_adapter, make_folder

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
if find_spec("peft") is None:  # importing it takes long, which every process of tests would pay
    pytest.skip("peft is not installed", allow_module_level=True)

from backends.local import attention  # noqa: E402
from backends.local.loading import weights  # noqa: E402
from backends.local.loading.adapters import load_adapter, remove_adapter, using  # noqa: E402

IDS = [[5, 900, 77, 12, 1000], [40, 41, 42], [7, 7, 300, 1200]]
PLACES = [slice(0, 5), slice(5, 8), slice(8, 12)]


@pytest.fixture(scope="module")
def base(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    make_folder(demo_folder, folder)
    return folder


@pytest.fixture(scope="module")
def folders(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Adapters that differ in rank, layers and strength."""
    root = tmp_path_factory.mktemp("adapters")
    make_adapter(base, root / "polite", seed=1)
    some = ["q_proj", "down_proj"]
    make_adapter(
        base, root / "v1.5", seed=2, r=4, target_modules=some, use_rslora=True, rank_pattern={"q_proj": 1}
    )
    return {name: root / name for name in ("polite", "v1.5")}


@pytest.fixture(params=["float32", "packed"])
def model(base: Path, request: pytest.FixtureRequest) -> Any:
    return opened(base, packed=request.param == "packed")


def opened(folder: Path, *, packed: bool = False) -> Any:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    if packed:
        weights.pack(model)
    return model


def scores(model: Any, ids: list[int]) -> Any:
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits


def side_by_side(model: Any, adapters: list[str | None]) -> list[Any]:
    """What the first linear layers make of a packed sequence, row by row, attention left aside."""
    layer = model.model.layers[0].mlp
    with torch.inference_mode():
        hidden = model.get_input_embeddings()(torch.tensor([[id_ for ids in IDS for id_ in ids]]))
        with using(model, list(zip(adapters, PLACES, strict=True))):
            told = layer(hidden)
    return [told[:, place] for place in PLACES]


def alone(model: Any, adapters: list[str | None]) -> list[Any]:
    layer, told = model.model.layers[0].mlp, []
    for ids, adapter in zip(IDS, adapters, strict=True):
        with torch.inference_mode(), using(model, [(adapter, slice(None))]):
            told.append(layer(model.get_input_embeddings()(torch.tensor([ids]))))
    return told


@pytest.mark.parametrize("name", ["polite", "v1.5"])
def test_one_adapter_for_all_says_what_peft_says(model: Any, folders: dict[str, Path], name: str) -> None:
    import peft

    before = scores(model, IDS[0])
    info = load_adapter(model, folders[name], name)
    with using(model, [(name, slice(None))]):
        told = scores(model, IDS[0])
    again = opened(Path(info.base), packed=isinstance(model.lm_head, weights.HalfLinear))
    config = peft.LoraConfig.from_pretrained(str(folders[name]))
    theirs = peft.inject_adapter_in_model(config, again)
    peft.set_peft_model_state_dict(theirs, peft.load_peft_weights(str(folders[name])))
    assert torch.equal(told, scores(theirs, IDS[0]))
    assert not torch.allclose(told, before, atol=0.01)


@pytest.mark.parametrize(
    "adapters",
    [
        ["polite", None, "v1.5"],
        ["polite", "v1.5", "polite"],
        [None, "polite", "polite"],
        [None, None, "v1.5"],
    ],
    ids=str,
)
def test_rows_side_by_side_each_use_their_own(
    model: Any, folders: dict[str, Path], adapters: list[str | None]
) -> None:
    pure = alone(model, [None, None, None])
    for name, folder in folders.items():
        load_adapter(model, folder, name)
    packed, single = side_by_side(model, adapters), alone(model, adapters)
    for told, expected, without, adapter in zip(packed, single, pure, adapters, strict=True):
        assert torch.allclose(told, expected, rtol=1e-4, atol=1e-6)
        assert torch.allclose(told, without, rtol=1e-4, atol=1e-6) == (adapter is None)


def test_a_step_of_the_engine_writes_for_each_row_what_it_writes_alone(
    base: Path, folders: dict[str, Path]
) -> None:
    model = opened(base, packed=True)
    pure = scores(model, IDS[1])[0, -1]
    for name, folder in folders.items():
        load_adapter(model, folder, name)
    adapters = ["polite", None, "v1.5"]
    expected = []
    for ids, adapter in zip(IDS, adapters, strict=True):
        with using(model, [(adapter, slice(None))]):
            expected.append(scores(model, ids)[0, -1])
    attention.pack(model)
    memory = attention.Memory(model.config, 64, torch.float32, "cpu")
    with using(model, list(zip(adapters, PLACES, strict=True))):
        told = attention.run(model, memory, [attention.Part(ids, 0, 16 * row) for row, ids in enumerate(IDS)])
    assert torch.allclose(told, torch.stack(expected), rtol=1e-3, atol=1e-4)
    assert torch.allclose(told[1], pure, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(told[0], scores(model, IDS[0])[0, -1], atol=0.01)


def test_rows_without_an_adapter_are_the_models_own_to_the_bit(model: Any, folders: dict[str, Path]) -> None:
    before = side_by_side(model, [None, None, None])
    whole = scores(model, IDS[0])
    for name, folder in folders.items():
        load_adapter(model, folder, name)
    after = side_by_side(model, ["polite", None, "v1.5"])
    assert torch.equal(after[1], before[1])
    assert not torch.equal(after[0], before[0])
    assert torch.equal(scores(model, IDS[0]), whole)


def test_adapters_share_the_weights_of_their_model(base: Path, folders: dict[str, Path]) -> None:
    model = opened(base)
    pointers = {weight.data_ptr() for weight in model.parameters()}
    size = weights.nbytes(model)
    for name, folder in folders.items():
        load_adapter(model, folder, name)
    assert pointers <= {weight.data_ptr() for weight in model.parameters()}
    assert weights.nbytes(model) < size + 200_000


def test_an_adapter_is_known_by_the_hash_of_its_weights(base: Path, folders: dict[str, Path]) -> None:
    info = load_adapter(opened(base), folders["v1.5"], "v1.5")
    whole = hashlib.sha256((folders["v1.5"] / "adapter_model.safetensors").read_bytes()).hexdigest()
    assert (info.name, info.hash, info.base, info.rank) == ("v1.5", whole[:12], str(base), 4)


def test_an_adapter_can_be_taken_away_and_come_back(model: Any, folders: dict[str, Path]) -> None:
    for name, folder in folders.items():
        load_adapter(model, folder, name)
    told = {}
    for name in folders:
        with using(model, [(name, slice(None))]):
            told[name] = scores(model, IDS[0])
    remove_adapter(model, "polite")
    with pytest.raises(KeyError), using(model, [("polite", slice(None))]):
        pass
    with using(model, [("v1.5", slice(None))]):
        assert torch.equal(scores(model, IDS[0]), told["v1.5"])
    load_adapter(model, folders["polite"], "polite")
    with using(model, [("polite", slice(None))]):
        assert torch.equal(scores(model, IDS[0]), told["polite"])


def changed(folder: Path, **config: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))


def cut_short(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def pickled(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


@pytest.mark.parametrize(
    ("damage", "expected", "said"),
    [
        (cut_short, ModelUnsupported, "is incomplete"),
        (pickled, ModelUnsupported, "pickle"),
        (
            lambda folder: (folder / "adapter_model.safetensors").unlink(),
            ModelNotFound,
            "adapter_model.safetensors",
        ),
        (lambda folder: (folder / "adapter_config.json").unlink(), ModelNotFound, "adapter_config.json"),
        (lambda folder: changed(folder, use_dora=True), ModelUnsupported, "use_dora"),
        (lambda folder: changed(folder, peft_type="IA3"), ModelUnsupported, "IA3"),
        (lambda folder: changed(folder, init_lora_weights="pissa_niter_4"), ModelUnsupported, "pissa"),
        (lambda folder: changed(folder, modules_to_save=["lm_head"]), ModelUnsupported, "modules_to_save"),
        (lambda folder: changed(folder, r=3), ModelUnsupported, "its own settings"),
        (lambda folder: changed(folder, rank_pattern={"q_proj": 1}), ModelUnsupported, "its own settings"),
        (lambda folder: changed(folder, base_model_name_or_path=None), ModelUnsupported, "belongs to"),
    ],
    ids=[
        "cut",
        "pickle",
        "no-weights",
        "no-config",
        "dora",
        "ia3",
        "pissa",
        "saved",
        "rank",
        "pattern",
        "no-base",
    ],
)
def test_what_is_refused_leaves_the_others_working(
    base: Path,
    folders: dict[str, Path],
    tmp_path: Path,
    damage: Callable[[Path], object],
    expected: type[BackendError],
    said: str,
) -> None:
    model = opened(base)
    load_adapter(model, folders["v1.5"], "v1.5")
    with using(model, [("v1.5", slice(None))]):
        before = scores(model, IDS[0])
    plain = scores(model, IDS[0])
    shutil.copytree(folders["polite"], tmp_path / "bad")
    damage(tmp_path / "bad")
    with pytest.raises(expected, match=said) as caught:
        load_adapter(model, tmp_path / "bad", "bad")
    assert caught.value.cure
    with using(model, [("v1.5", slice(None))]):
        assert torch.equal(scores(model, IDS[0]), before)
    assert torch.equal(scores(model, IDS[0]), plain)
    load_adapter(model, folders["polite"], "polite")


def test_a_first_adapter_that_fails_does_no_harm(
    base: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    model = opened(base)
    before = scores(model, IDS[0])
    shutil.copytree(folders["polite"], tmp_path / "bad")
    changed(tmp_path / "bad", r=3)
    with pytest.raises(ModelUnsupported, match="its own settings"):
        load_adapter(model, tmp_path / "bad", "polite")
    assert torch.equal(scores(model, IDS[0]), before)
    load_adapter(model, folders["polite"], "polite")
    assert torch.equal(scores(model, IDS[0]), before)
    with using(model, [("polite", slice(None))]):
        assert not torch.equal(scores(model, IDS[0]), before)


@pytest.mark.parametrize("change", [{"hidden_size": 64}, {"num_hidden_layers": 3}], ids=["shape", "layers"])
def test_an_adapter_of_another_base_is_refused(
    demo_folder: Path, base: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make_folder(demo_folder, other, **change)
    make_adapter(other, tmp_path / "adapter")
    model = opened(base)
    before = scores(model, IDS[0])
    with pytest.raises(ModelUnsupported, match="trained for another model") as caught:
        load_adapter(model, tmp_path / "adapter", "adapter")
    assert str(other) in str(caught.value)
    assert torch.equal(scores(model, IDS[0]), before)


def test_an_adapter_of_the_output_layer_is_refused(demo_folder: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    make_folder(demo_folder, base, tie_word_embeddings=False)
    make_adapter(base, tmp_path / "adapter", target_modules=["lm_head", "q_proj"])
    with pytest.raises(ModelUnsupported, match="lm_head"):
        load_adapter(opened(base), tmp_path / "adapter", "adapter")
