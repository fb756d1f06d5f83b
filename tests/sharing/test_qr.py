"""Addresses as pictures: no more than shapes, and each its own."""

from __future__ import annotations

from xml.etree import ElementTree

from webchat.sharing.qr import qr_svg


def test_a_picture_is_shapes_alone() -> None:
    pictures = [qr_svg(f"https://chat.example.com/t#{code}") for code in ("23456-ABCDE", "23456-ABCDF")]
    assert pictures[0] != pictures[1]
    for picture in pictures:
        names = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(picture).iter()}
        assert names <= {"svg", "g", "path"}
        assert 'xmlns="http://www.w3.org/2000/svg"' in picture  # as an image it needs its namespace
