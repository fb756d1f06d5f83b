"""From the settings to the door: who comes in, how people sign in, and where."""

from __future__ import annotations

import os
from collections.abc import Sequence

from webchat.auth import DoorSettings, Ways
from webchat.auth.admitting import Rules, rules_of
from webchat.auth.oidc import OpenIdClient, Provider, huggingface_provider
from webchat.auth.providers import Providers, Way
from webchat.auth.proxy import Proxied, ProxyHeaders, SignedHeader
from webchat.settings import BadSettings, Settings, variable
from webchat.settings.networks import network
from webchat.store import Store

SPACES_FRAME = ("https://huggingface.co", "https://*.hf.space")


def door_settings(settings: Settings, secret: str) -> DoorSettings:
    """What the door goes by."""
    own = (settings.public_url,) if settings.public_url else ()
    return DoorSettings(
        access=settings.door,
        secret=secret,
        ways=Ways(
            link=settings.door != "local",
            anyone=settings.door == "open",
            password="password" in settings.sign_in,
            providers=tuple((key, _name_of(key, settings)) for key in settings.providers),
            proxy="proxy" in settings.sign_in,
        ),
        embedded=settings.embed,
        frame_ancestors=SPACES_FRAME if settings.embed else (),
        trusted_origins=frozenset((*settings.allowed_origins, *own)),
        secure_cookies=settings.by_tls,
        root_path=settings.root_path,
        trusted_networks=settings.exempt,
        trusted_proxies=settings.proxies,
    )


def providers(settings: Settings, store: Store, secret: str) -> Providers | None:
    """Where people sign in. Raises `BadSettings`."""
    if not settings.providers:
        return None
    allowed = _rules("allowed_people", settings.allowed_people)
    operators = _rules("operator_people", settings.operator_people)
    wanted = allowed.needs | operators.needs
    ways = {}
    for key in settings.providers:
        try:
            provider = huggingface_provider(os.environ) if key == "huggingface" else _own_provider(settings)
        except ValueError as error:
            raise BadSettings(f"sign_in = {key}: {error}.") from None
        client = OpenIdClient(provider, store, wanted=wanted)
        ways[key] = Way(client, allowed, operators if settings.operator_people else None)
    return Providers(ways, store, secret)


def proxied(settings: Settings, store: Store) -> Proxied | None:
    """Who is signed in at the proxy in front. Raises `BadSettings`."""
    if "proxy" not in settings.sign_in:
        return None
    headers = ProxyHeaders(
        settings.proxy_header or "",
        settings.proxy_email_header or "",
        settings.proxy_name_header or "",
        settings.proxy_groups_header or "",
    )
    signed = (
        SignedHeader(settings.proxy_keys_url, settings.proxy_issuer or "", settings.proxy_audience or "")
        if settings.proxy_keys_url
        else None
    )
    allowed = _rules("allowed_people", settings.allowed_people)
    operators = _rules("operator_people", settings.operator_people) if settings.operator_people else None
    trusted = tuple(network(text) for text in settings.trusted_proxies)
    return Proxied(store, headers, trusted, allowed, operators, signed)


def _own_provider(settings: Settings) -> Provider:
    return Provider(
        issuer=settings.oidc_issuer or "",
        client_id=settings.oidc_client_id or "",
        client_secret=settings.oidc_client_secret,
        scopes=settings.oidc_scopes,
        name=settings.oidc_name,
    )


def _rules(name: str, entries: Sequence[str]) -> Rules:
    try:
        return rules_of(entries)
    except ValueError as error:
        raise BadSettings(f"{name}: {error}.") from None


def _name_of(key: str, settings: Settings) -> str:
    return "Hugging Face" if key == "huggingface" else settings.oidc_name


def own_address(settings: Settings) -> str | None:
    """The address that people open, where it is known: behind a proxy, or on a Space."""
    space = variable("SPACE_HOST")
    return settings.public_url or (f"https://{space}" if space else None)
