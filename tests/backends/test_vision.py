"""Messages with images: a vision-language model reads them, others say so, and no image can do harm."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from backends.errors import BadRequest
from backends.local import vision
from backends.local.loading.model import Loaded, load
from backends.local.vision import decode, has_images, inputs_of
from backends.options import LocalOptions
from backends.types import ImagePart, Message, TextPart
from tests.backends.tiny_models import make_folder, make_vision

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")
pytest.importorskip("transformers")

TOKENS_OF_AN_IMAGE = 4


@pytest.fixture(scope="module")
def seeing(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp("seeing")
    make_vision(demo_folder, folder)
    return load(LocalOptions(source=str(folder), threads=1, device="cpu"), lambda _: None)


@pytest.fixture(scope="module")
def blind(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp("blind")
    make_folder(demo_folder, folder)
    return load(LocalOptions(source=str(folder), threads=1, device="cpu"), lambda _: None)


def encoded(
    kind: str = "PNG", *, mode: str = "RGB", size: tuple[int, int] = (40, 30), color: Any = "red"
) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, color).save(file, kind)
    return file.getvalue()


def image(**options: Any) -> ImagePart:
    return ImagePart(encoded(**options), "image/png")


def about(*images: ImagePart, text: str = "What is this?") -> tuple[Message, ...]:
    return (Message("system", "Look."), Message("user", (*images, TextPart(text))))


def scores(loaded: Loaded, messages: tuple[Message, ...]) -> Any:
    inputs = inputs_of(loaded, messages)
    ids = torch.tensor([inputs.ids])
    with torch.inference_mode():
        return loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids), **inputs.extra).logits[0, -1]


def test_a_vision_language_model_loads_as_one(seeing: Loaded, blind: Loaded) -> None:
    assert seeing.images
    assert seeing.parts
    assert seeing.system_role
    assert seeing.end_ids == blind.end_ids
    assert not blind.images


def test_what_is_seen_changes_what_is_said(seeing: Loaded) -> None:
    red, blue = (scores(seeing, about(image(color=color))) for color in ("red", "blue"))
    assert not torch.allclose(red, blue, atol=1e-3)
    assert torch.equal(red, scores(seeing, about(image(color="red"))))


def test_each_image_takes_its_place(seeing: Loaded) -> None:
    token = seeing.tokenizer.convert_tokens_to_ids("<image>")
    for count in (0, 1, 3):
        inputs = inputs_of(seeing, about(*[image()] * count))
        assert inputs.ids.count(token) == TOKENS_OF_AN_IMAGE * count
        assert inputs.text.count("<image>") == count
        assert ("pixel_values" in inputs.extra) == (count > 0)
    one, other = image(color="red"), image(color="blue")
    assert not torch.allclose(scores(seeing, about(one, other)), scores(seeing, about(other, one)), atol=1e-3)


def test_a_reply_to_an_image_is_written_on(seeing: Loaded) -> None:
    begun = (*about(image()), Message("assistant", "It is a"))
    assert inputs_of(seeing, begun, continue_final=True).text.endswith("assistant\nIt is a")


def test_the_word_for_an_image_is_only_a_word_where_a_person_writes_it(seeing: Loaded) -> None:
    token = seeing.tokenizer.convert_tokens_to_ids("<image>")
    inputs = inputs_of(seeing, about(image(), text="Say <image> twice: <image>"))
    assert inputs.ids.count(token) == TOKENS_OF_AN_IMAGE
    plain = inputs_of(seeing, (Message("user", "Say <image>"),))
    assert token not in plain.ids


def test_a_template_without_a_place_for_images_is_told(seeing: Loaded) -> None:
    with pytest.raises(BadRequest, match="does not support the images"):
        inputs_of(seeing, about(image()), template="{{ messages[0]['role'] }}")


def test_a_processor_that_cannot_run_here_leaves_a_model_that_reads_text(
    demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ImportError("it needs torchvision")

    make_vision(demo_folder, tmp_path)
    monkeypatch.setattr("transformers.AutoProcessor.from_pretrained", fail)
    loaded = load(LocalOptions(source=str(tmp_path), threads=1, device="cpu"), lambda _: None)
    assert not loaded.images
    with pytest.raises(BadRequest, match="doesn't support images"):
        inputs_of(loaded, about(image()))


def test_a_model_that_reads_text_only_says_so(blind: Loaded) -> None:
    with pytest.raises(BadRequest, match="doesn't support images") as caught:
        inputs_of(blind, about(image()))
    assert "vision-language" in caught.value.cure
    assert has_images(about(image()))
    assert not has_images((Message("user", "Hello"), Message("user", (TextPart("Hello"),))))


def test_more_images_than_anybody_needs_are_refused(seeing: Loaded) -> None:
    with pytest.raises(BadRequest, match="the limit is 16"):
        inputs_of(seeing, about(*[image()] * 17))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_common_kinds_of_images_are_read(kind: str) -> None:
    picture = decode(image(kind=kind))
    assert (picture.mode, picture.size) == ("RGB", (40, 30))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "I;16"])
def test_every_mode_becomes_plain_colours(mode: str) -> None:
    assert decode(image(mode=mode, color=0)).mode == "RGB"


def test_what_is_transparent_is_white() -> None:
    assert decode(image(mode="RGBA", color=(255, 0, 0, 0))).getpixel((0, 0)) == (255, 255, 255)


def test_an_image_stands_as_the_camera_was_held() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter to the right
    file = io.BytesIO()
    Image.new("RGB", (40, 30)).save(file, "JPEG", exif=turned)
    assert decode(ImagePart(file.getvalue(), "image/jpeg")).size == (30, 40)


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is of this size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + encoded()[33:]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (claiming(7_000, 7_000), "7000 times 7000 pixels"),
        (claiming(12_000, 12_000), "too large"),
        (claiming(60_000, 60_000), "too large"),
        (b"\x89PNG" + b"x" * vision.MOST_BYTES, "at most 20 MB"),
        (b"", "cannot be read"),
        (b"GIF89a" + b"\x00" * 30, "cannot be read"),
        (encoded("GIF"), "cannot be read"),
        (encoded("BMP"), "cannot be read"),
        (encoded()[:60], "cannot be read"),
        (encoded("JPEG", size=(400, 300))[:700], "cannot be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "cannot be read"),
    ],
    ids=["pixels", "warned", "bomb", "bytes", "empty", "nonsense", "gif", "bmp", "half", "half-jpeg", "svg"],
)
def test_what_is_no_image_or_too_large_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(BadRequest, match=said) as caught:
        decode(ImagePart(data, "image/png"))
    assert caught.value.cure
