"""OpenID providers: their settings, and what each says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr

from webchat.auth.oidc.requests import safe_address
from webchat.auth.sign_in_errors import ProviderUnreachable

HUGGING_FACE = "https://huggingface.co"

ClientAuth = Literal["none", "client_secret_basic", "client_secret_post"]


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider and this server's registration there. Without a secret, this is a public client.

    issuer: exactly as in the provider's tokens. name: for the button on the page. Raises ValueError for an
    issuer that is neither https nor on this machine.
    """

    issuer: str
    client_id: str
    client_secret: SecretStr | None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name: str = "OpenID Connect"

    def __post_init__(self) -> None:
        parts = safe_address(self.issuer, plain=True)
        if parts is None or "?" in self.issuer:
            raise ValueError(f"the issuer {self.issuer!r} must be an https address without a query")
        if not self.client_id:
            raise ValueError("the client ID is empty")
        if "openid" not in self.scopes:
            raise ValueError("the scopes must include openid")

    @property
    def plain(self) -> bool:
        """Whether the provider runs on this machine without TLS."""
        return self.issuer.startswith("http:")

    @property
    def discovery(self) -> str:
        """Where its description is (OpenID Connect Discovery 1.0, section 4)."""
        return f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"


def huggingface_provider(environ: Mapping[str, str]) -> Provider:
    """The provider of a Space whose README has `hf_oauth: true`. Raises ValueError outside such a Space.

    Source: Hugging Face, "Adding a Sign-In with HF button to your Space".
    """
    client_id, secret = environ.get("OAUTH_CLIENT_ID", ""), environ.get("OAUTH_CLIENT_SECRET", "")
    if not client_id:
        raise ValueError("OAUTH_CLIENT_ID is not set; in a Space, add hf_oauth: true to its README")
    return Provider(
        issuer=(environ.get("OPENID_PROVIDER_URL") or HUGGING_FACE).rstrip("/"),
        client_id=client_id,
        client_secret=SecretStr(secret) if secret else None,
        scopes=tuple(dict.fromkeys(("openid", *(environ.get("OAUTH_SCOPES") or "profile").split()))),
        name="Hugging Face",
    )


@dataclass(frozen=True, slots=True)
class Metadata:
    """A provider's description of itself. sends_issuer: it names itself in the callback (RFC 9207)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    client_auth: ClientAuth
    sends_issuer: bool


def metadata_of(found: Mapping[str, object], provider: Provider) -> Metadata:
    """Raises `ProviderUnreachable` for a description that cannot be used, such as another issuer's."""
    if found.get("issuer") != provider.issuer:
        raise ProviderUnreachable("the description names another issuer")

    def endpoint(name: str) -> str:
        url = found.get(name)
        if safe_address(url, plain=provider.plain) is None:
            raise ProviderUnreachable(f"the description has no usable {name}")
        return str(url)

    return Metadata(
        authorization_endpoint=endpoint("authorization_endpoint"),
        token_endpoint=endpoint("token_endpoint"),
        jwks_uri=endpoint("jwks_uri"),
        userinfo_endpoint=endpoint("userinfo_endpoint") if found.get("userinfo_endpoint") else None,
        client_auth=_client_auth(found.get("token_endpoint_auth_methods_supported"), provider),
        sends_issuer=found.get("authorization_response_iss_parameter_supported") is True,
    )


def _client_auth(methods: object, provider: Provider) -> ClientAuth:
    if provider.client_secret is None:
        return "none"
    if not isinstance(methods, list) or "client_secret_basic" in methods:
        return "client_secret_basic"  # the default of the specification
    if "client_secret_post" in methods:
        return "client_secret_post"
    raise ProviderUnreachable("the token endpoint takes no client secret")
