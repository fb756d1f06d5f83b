"""The settings of signing in at a proxy in front of this server."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from pydantic import BaseModel, field_validator

from webchat.settings.engine import header_name, setting
from webchat.settings.model import http_url


class ProxiedFields(BaseModel):
    """How a proxy names the person. It is believed only if `trusted_proxies` lists it."""

    proxy_header: str | None = setting(
        None,
        "Header in which the proxy names the signed-in person, such as `Remote-User` or `X-Forwarded-Email`;"
        " with `proxy_keys_url`, in a signed token.",
        "the name of a header",
    )
    proxy_email_header: str | None = setting(
        None,
        "Header with the person's verified email address; it may be the same as `proxy_header`.",
        "the name of a header",
    )
    proxy_name_header: str | None = setting(
        None, "Header with the name to show for the person.", "the name of a header"
    )
    proxy_groups_header: str | None = setting(
        None,
        "Header with the person's groups, separated by commas, for rules such as groups=staff.",
        "the name of a header",
    )
    proxy_keys_url: str | None = setting(
        None,
        "Address of the public keys (JWKS) with which the token in `proxy_header` is verified.",
        "an https URL",
    )
    proxy_issuer: str | None = setting(None, "Issuer (`iss`) that the token must name.", "a string")
    proxy_audience: str | None = setting(None, "Audience (`aud`) that the token must name.", "a string")
    proxy_sign_out_url: str | None = setting(
        None,
        "Where *Sign out* leads: the proxy's own address for it. Without it, the page says that the proxy"
        " keeps people signed in.",
        "an http(s) URL, or a path such as /oauth2/sign_out",
    )

    @field_validator("proxy_header", "proxy_email_header", "proxy_name_header", "proxy_groups_header")
    @classmethod
    def _names_a_person(cls, value: str | None) -> str | None:
        return None if value is None else header_name(value)

    @field_validator("proxy_keys_url")
    @classmethod
    def _keys_are_safe(cls, value: str | None) -> str | None:
        parts = None if value is None else urlsplit(http_url(value))
        if parts and parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("not an https URL")
        return value

    @field_validator("proxy_sign_out_url")
    @classmethod
    def _leads_somewhere(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"/(?:[!-.0-\[\]-~][!-\[\]-~]*)?", value):
            http_url(value)
        return value

    def check_proxy(self, rules: Iterable[str]) -> None:
        """Raises ValueError for what `sign_in = proxy` lacks. rules: for who may enter and operate."""
        if not self.proxy_header:
            raise ValueError("sign_in = proxy needs proxy_header: the header that names the person")
        if self.proxy_keys_url:
            if not (self.proxy_issuer and self.proxy_audience):
                raise ValueError(
                    "proxy_keys_url needs proxy_issuer and proxy_audience: what a token must name"
                )
            return
        if self.proxy_issuer or self.proxy_audience:
            raise ValueError("proxy_issuer and proxy_audience are for a signed header: add proxy_keys_url")
        for rule in rules:
            claim = rule.partition("=")[0].strip() if "=" in rule else ""
            if "@" in rule and not claim and not self.proxy_email_header:
                raise ValueError(
                    f'the rule "{rule}" needs proxy_email_header: the header with the verified address, which'
                    " may be proxy_header itself"
                )
            if claim == "groups" and not self.proxy_groups_header:
                raise ValueError(f'the rule "{rule}" needs proxy_groups_header')
            if claim not in ("", "sub", "groups"):
                raise ValueError(
                    f"the rule \"{rule}\" can't apply: a proxy's headers have only sub and groups"
                )
