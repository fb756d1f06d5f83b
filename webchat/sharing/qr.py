"""Addresses as pictures to scan."""

from __future__ import annotations

from io import BytesIO, StringIO

import segno


def qr_svg(text: str) -> str:
    """A QR code as an SVG document, black on white with the quiet zone that scanners need."""
    picture = BytesIO()
    segno.make_qr(text, error="m").save(picture, kind="svg", scale=4, light="#fff", xmldecl=False)
    return picture.getvalue().decode()


def qr_text(text: str) -> str:
    """A QR code for a terminal, in half blocks."""
    picture = StringIO()
    segno.make_qr(text, error="m").terminal(picture, compact=True)
    return picture.getvalue()
