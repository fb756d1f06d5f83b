"""Response headers that isolate the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Headers = list[tuple[bytes, bytes]]

TLS_ONLY = (b"strict-transport-security", b"max-age=31536000")
"""For a year. It holds for every port of a name, but says nothing of names below it."""

_PAGE_POLICY = (
    "default-src 'self'",
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
)

_SHARE_POLICY = (
    "default-src 'none'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    "media-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
)


class Hardening:
    """Adds headers to every response that isolate the page in the browser.

    Nothing is fetched from, sent to or framed by anything but this server. Only scripts delivered with the
    page (with a nonce) or from this server run; Svelte writes inline styles. frame_ancestors: CSP sources of
    the sites that may frame the page; none by default.
    """

    def __init__(self, frame_ancestors: Sequence[str] = ()) -> None:
        self._ancestors = f"frame-ancestors {' '.join(frame_ancestors)}" if frame_ancestors else ""
        pairs = {
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "permissions-policy": (
                "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=(), "
                "browsing-topics=(), clipboard-write=(self), fullscreen=(self)"
            ),
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "x-robots-tag": "noindex, nofollow",
            "x-dns-prefetch-control": "off",
        }
        if not frame_ancestors:
            pairs["x-frame-options"] = "DENY"
        self._pairs = [(name.encode(), value.encode()) for name, value in pairs.items()]
        self._names = {name for name, _ in self._pairs} | {b"content-security-policy", TLS_ONLY[0]}
        self._plain = self.framed(("default-src 'none'",))
        self.script_policy = self.framed(("default-src 'none'", "script-src 'self'", "connect-src 'self'"))
        """Of scripts: one that runs as a worker has the policy of its own answer."""
        self.media_policy = self.framed(("default-src 'none'", "style-src 'unsafe-inline'", "sandbox"))
        """Of pictures and sounds: opened as a page they are an origin of their own, styled by the browser."""

    def framed(self, policy: Iterable[str]) -> bytes:
        """A content security policy, with the sites that may frame the page."""
        return "; ".join((*policy, self._ancestors or "frame-ancestors 'none'")).encode()

    def page_policy(self, nonce: str) -> bytes:
        """The policy for one delivery of the page."""
        return self.framed((*_PAGE_POLICY, f"script-src 'self' 'nonce-{nonce}'"))

    def share_policy(self, nonce: str) -> bytes:
        """The policy for a read-only share: its own pictures and sounds, and one script of ours."""
        return self.framed((*_SHARE_POLICY, f"script-src 'nonce-{nonce}'"))

    def headers(self, policy: bytes | None = None, *, tls_only: bool = False) -> Headers:
        """Headers to add to a response. A response that is not a page gets a policy under which nothing runs
        if it is opened as one."""
        strict = [TLS_ONLY] if tls_only else []
        return [*self._pairs, *strict, (b"content-security-policy", policy or self._plain)]

    def kept(self, headers: Iterable[tuple[bytes, bytes]], trusted: str | None) -> Headers:
        """A response's own headers without those set here. Permission for other origins (`Access-Control-*`),
        which Gradio grants to any page that asks, is removed unless a trusted origin asked."""
        return [
            (name, value)
            for name, value in headers
            if name.lower() not in self._names
            and (trusted is not None or not name.lower().startswith(b"access-control-"))
        ]
