"""Headers that keep the page to itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Headers = list[tuple[bytes, bytes]]


def content_security_policy(frame_ancestors: Sequence[str] = ()) -> str:
    """The page's policy: nothing is fetched from, sent to or framed from anywhere but this server.

    Gradio's page holds inline scripts and compiles the scripts of `gr.HTML` parts with `new Function`, hence
    the two relaxations for scripts; Svelte writes inline styles. frame_ancestors: who may show the page in a
    frame; nobody by default.
    """
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "media-src 'self' data: blob:",
            "connect-src 'self' data: blob:",
            "worker-src 'self' blob:",
            "frame-src 'self'",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            f"frame-ancestors {' '.join(frame_ancestors) or chr(39) + 'none' + chr(39)}",
        )
    )


def security_headers(frame_ancestors: Sequence[str] = ()) -> Headers:
    """What every answer carries, encoded once."""
    pairs = {
        "content-security-policy": content_security_policy(frame_ancestors),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "permissions-policy": (
            "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=(), "
            "browsing-topics=(), clipboard-write=(self), fullscreen=(self)"
        ),
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "x-robots-tag": "noindex, nofollow",
    }
    if not frame_ancestors:
        pairs["x-frame-options"] = "DENY"
    return [(name.encode(), value.encode()) for name, value in pairs.items()]


def hardened(headers: Iterable[tuple[bytes, bytes]], ours: Headers, origin: str | None) -> Headers:
    """An answer's headers with ours in place of its own of the same name. Leave to read across origins
    (`Access-Control-*`) is taken out unless it names `origin`, which the caller has found on the
    allow-list."""
    names = {name for name, _ in ours}
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in names
        and (origin is not None or not name.lower().startswith(b"access-control-"))
    ]
    return kept + ours
