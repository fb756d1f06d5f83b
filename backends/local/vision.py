"""Conversations with images: decoding within limits, and running a vision-language model's processor."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from backends.errors import BackendError, BadRequest
from backends.installation import add_package
from backends.local.loading.chat_format import render
from backends.local.loading.model import Loaded
from backends.types import ImagePart, Message

MOST_BYTES = 20_000_000
MOST_PIXELS = 40_000_000
MOST_IMAGES = 16
"""Per conversation: each image is processed again with every reply."""

_MILLION = MOST_PIXELS // 1_000_000
_FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True, slots=True)
class Inputs:
    """The input of a model. text: as rendered by the template. ids: tokens, including those that stand for
    images. extra: additional model inputs (tensors, on its device)."""

    text: str
    ids: list[int]
    extra: dict[str, Any] = field(default_factory=dict)


def has_images(messages: Sequence[Message]) -> bool:
    return any(isinstance(part, ImagePart) for message in messages for part in _parts(message))


def inputs_of(
    loaded: Loaded, messages: Sequence[Message], *, template: str | None = None, continue_final: bool = False
) -> Inputs:
    """Render a conversation with images. template: by default the model's.

    Raises `BadRequest` for images that cannot be read, or that this model does not support. Decodes and
    resizes images, which is slow: run it in a thread.
    """
    check_images(loaded, messages)
    pictures = [
        decode(part) for message in messages for part in _parts(message) if isinstance(part, ImagePart)
    ]
    text = render(
        loaded.renderer,
        loaded.tokenizer,
        template or loaded.template,
        # The processor reads text alone, so what would be a control token is hidden from it in the text.
        loaded.words.control.hidden(messages),
        continue_final=continue_final,
        parts=loaded.parts,
    )
    try:
        made = loaded.processor(
            text=[text], images=pictures or None, add_special_tokens=False, return_tensors="pt"
        )
    except (ValueError, IndexError) as error:
        raise BadRequest(
            "The model's chat template does not support the images in this conversation.",
            cure="Use the model's own chat template, or remove the images.",
        ) from error
    tensors = dict(made)
    ids: list[int] = tensors.pop("input_ids")[0].tolist()
    tensors.pop("attention_mask", None)
    model = loaded.model
    extra = {
        name: value.to(model.device, model.dtype if value.is_floating_point() else value.dtype)
        for name, value in tensors.items()
    }
    return Inputs(text, ids, extra)


def check_images(loaded: Loaded, messages: Sequence[Message]) -> None:
    """Raises `BadRequest` if messages contain images that this model does not support."""
    count = sum(isinstance(part, ImagePart) for message in messages for part in _parts(message))
    if count and not loaded.images:
        raise BadRequest(
            "This model doesn't support images.",
            cure="Choose a vision-language model, or start a conversation without the image.",
        )
    if count > MOST_IMAGES:
        raise BadRequest(
            f"The conversation has {count} images; the limit is {MOST_IMAGES}.",
            cure="Start a new conversation with fewer images.",
            params={"count": count, "limit": MOST_IMAGES},
        )


def decode(part: ImagePart) -> Any:
    """The image, upright and without transparency. Raises `BadRequest`."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise BadRequest("Reading images needs the package Pillow.", cure=add_package("pillow")) from error
    if len(part.data) > MOST_BYTES:
        raise _too_large(f"{len(part.data) / 1e6:.0f} MB; at most {MOST_BYTES / 1e6:.0f} MB are read")
    try:
        with Image.open(io.BytesIO(part.data), formats=_FORMATS) as opened:
            # Known before anything is unpacked: a few bytes may claim to be any number of pixels.
            if opened.width * opened.height > MOST_PIXELS:
                raise _too_large(
                    f"{opened.width} times {opened.height} pixels; at most {_MILLION} million are read"
                )
            upright: Any = ImageOps.exif_transpose(opened)
            if not upright.has_transparency_data:
                return upright.convert("RGB")
            seen = upright.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    except BackendError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(f"too many pixels; at most {_MILLION} million are read") from error
    except MemoryError:
        raise
    except Exception as error:  # decoders raise whatever they like about damaged files
        raise BadRequest(
            "An image cannot be read: it is damaged, or not a PNG, JPEG or WebP.",
            cure="Save it as PNG or JPEG, or remove it.",
            params={"media_type": part.media_type[:40]},
        ) from error


def _too_large(what: str) -> BadRequest:
    return BadRequest(f"An image is too large: {what}.", cure="Shrink it and send it again.")


def _parts(message: Message) -> Sequence[Any]:
    return () if isinstance(message.content, str) else message.content
