"""Sign-in through any OpenID Connect provider: authorization code flow with PKCE."""

from webchat.auth.oidc.client import Begun, LoginStore, OpenIdClient, SignedIn
from webchat.auth.oidc.keys import KeyCache
from webchat.auth.oidc.provider import Provider, huggingface_provider
from webchat.auth.oidc.requests import Requests
from webchat.auth.oidc.tokens import Expected, checked_claims

__all__ = [
    "Begun",
    "Expected",
    "KeyCache",
    "LoginStore",
    "OpenIdClient",
    "Provider",
    "Requests",
    "SignedIn",
    "checked_claims",
    "huggingface_provider",
]
