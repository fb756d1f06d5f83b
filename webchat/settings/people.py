"""The settings of coming in: how people do it, who may, and who operates."""

from __future__ import annotations

from pydantic import BaseModel, SecretStr, field_validator

from webchat.settings.engine import Words, listed, setting
from webchat.settings.model import http_url

ACCOUNTS = frozenset({"password", "oidc", "huggingface", "proxy"})
"""What `sign_in` may name for people with an account here."""

WAYS = ACCOUNTS | {"none", "link", "open"}
"""What `sign_in` may name."""

ACCESS = {"auto": "", "local": "", "link": "link", "open": "open"}
"""The former setting `access`, and what it adds to `sign_in`."""

_RULES = "rules, separated by commas: ada@example.org, @example.org, groups=staff, or * for everyone"


class PeopleFields(BaseModel):
    """How people sign in. Without `sign_in` nobody does."""

    sign_in: Words = setting(
        (),
        "How people come in, also several ways at once: `password` (accounts made by `webchat user add`),"
        " `oidc` (an OpenID Connect provider), `huggingface`, `proxy` (a proxy in front, which names the"
        " person in a header); `link` with the link that the start prints; `open` every visitor, each as a"
        " separate owner. `none`: one owner, without a link, on a loopback address, elsewhere as `link`."
        " Tester links always work.",
        "none, or password, oidc, huggingface, proxy, link and open, separated by commas",
    )
    oidc_issuer: str | None = setting(
        None,
        "Issuer of the OpenID Connect provider, exactly as it names itself.",
        "an https URL without a query",
    )
    oidc_client_id: str | None = setting(
        None,
        "Client id that the provider gave this server. Its redirect address is the server's own address"
        " with /sign-in/callback.",
        "a string",
    )
    oidc_client_secret: SecretStr | None = setting(
        None, "The client's secret; leave it out for a public client.", "a string", flag=False
    )
    oidc_scopes: Words = setting(
        ("openid", "profile", "email"), "Scopes asked of the provider.", "names, separated by commas"
    )
    oidc_name: str = setting("SSO", "Name of the provider on the sign-in page.", "a string")
    allowed_people: Words = setting(
        (),
        "Who may sign in at a provider or a proxy: by verified email, by its domain, or by a claim.",
        _RULES,
    )
    operator_people: Words = setting(
        (), "Which of them are operators. The role follows the provider or proxy at every sign-in.", _RULES
    )

    @field_validator("sign_in")
    @classmethod
    def _known_ways(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if set(value) - WAYS or ("none" in value and len(value) > 1):
            raise ValueError("not a way to sign in")
        return () if value == ("none",) else value

    @field_validator("oidc_issuer")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None:
            http_url(value)
        return value

    @field_validator("oidc_scopes")
    @classmethod
    def _has_openid(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(" " in scope for scope in value):
            raise ValueError("not names")
        return tuple(dict.fromkeys(("openid", *value)))

    @field_validator("allowed_people", "operator_people")
    @classmethod
    def _are_rules(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(rule != "*" and "@" not in rule and "=" not in rule for rule in value):
            raise ValueError("not rules")
        return value

    @property
    def providers(self) -> tuple[str, ...]:
        """The ways that lead to a provider, in the order they are shown."""
        return tuple(way for way in self.accounts if way not in ("password", "proxy"))

    @property
    def accounts(self) -> tuple[str, ...]:
        """The ways for people with an account here; empty where nobody has one."""
        return tuple(way for way in self.sign_in if way in ACCOUNTS)

    def check_sign_in(self) -> None:
        """Raises ValueError for ways to sign in that lack something."""
        if "oidc" in self.sign_in and not (self.oidc_issuer and self.oidc_client_id):
            raise ValueError("sign_in = oidc needs oidc_issuer and oidc_client_id")
        elsewhere = tuple(way for way in self.accounts if way != "password")
        if elsewhere and not self.allowed_people:
            raise ValueError(
                f"sign_in = {elsewhere[0]} needs allowed_people: who may sign in; * is everyone the"
                f" {'proxy' if elsewhere[0] == 'proxy' else 'provider'} knows"
            )
        # Anybody can choose at one provider the name or group that means something at another.
        rules = (*self.allowed_people, *self.operator_people)
        if len(elsewhere) > 1 and any(rule == "*" or "=" in rule for rule in rules):
            raise ValueError(
                "with several providers, allowed_people and operator_people take only email addresses and"
                " their domains"
            )


def with_access(access: object, sign_in: object) -> tuple[str, ...]:
    """The value of `sign_in` that says what both say. Raises ValueError."""
    if not isinstance(access, str) or access not in ACCESS:
        raise ValueError(f"access takes {', '.join(ACCESS)}; it is part of sign_in now")
    found = listed(sign_in)
    ways = tuple(str(way) for way in found) if isinstance(found, (list, tuple)) else ()
    if ways and access == "local":
        raise ValueError("access = local is for one owner; with sign_in, leave access out")
    if not ACCOUNTS.issuperset(ways) and access != "auto":
        raise ValueError(f"access = {access}: sign_in says who comes in; leave access out")
    added = ACCESS[access]
    # Where people have accounts, tester links work anyway.
    return ways if not added or (ways and added == "link") else (added, *ways)
