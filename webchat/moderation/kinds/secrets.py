"""Keys, tokens and private keys, by the detectable formats of their issuers.

Sources: the issuers' documentation of their token formats; RFC 7468 for private keys in PEM.
"""

from __future__ import annotations

from typing import Unpack

from webchat.moderation.kinds.builtin import Terms
from webchat.moderation.kinds.patterns import Pattern, Patterns
from webchat.moderation.matching import Rule
from webchat.moderation.verdicts import Action

SENTENCE = "This text seems to contain a secret: a key, a token or a private key."
CURE = "Remove it. If it is real and was sent anywhere before, revoke it."

_PEM = r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[A-Za-z0-9+/=\s]*(-----END [A-Z ]{0,20}PRIVATE KEY-----)?"
_GITHUB = r"(gh[pousr]_[A-Za-z0-9]{36,100}|github_pat_[A-Za-z0-9_]{40,100})"
_JWT = r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"

# name, pattern, window, what every match begins with
_FORMS: tuple[tuple[str, str, int, tuple[str, ...]], ...] = (
    ("private-key", _PEM, 6200, ("-----BEGIN ",)),
    ("openai", r"sk-[A-Za-z0-9_-]{20,200}", 210, ("sk-",)),
    ("github", _GITHUB, 120, ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_")),
    ("gitlab", r"glpat-[A-Za-z0-9_-]{20,60}", 70, ("glpat-",)),
    ("hugging-face", r"hf_[A-Za-z0-9]{30,60}", 70, ("hf_",)),
    ("aws", r"(AKIA|ASIA)[A-Z0-9]{16}\b", 21, ("AKIA", "ASIA")),
    ("google", r"AIza[A-Za-z0-9_-]{35}", 40, ("AIza",)),
    ("slack", r"xox[abeprs]-[A-Za-z0-9-]{10,200}", 210, ("xox",)),
    ("stripe", r"[rs]k_live_[A-Za-z0-9]{20,120}", 130, ("sk_live_", "rk_live_")),
    ("jwt", _JWT, 5010, ("eyJ",)),
    ("npm", r"npm_[A-Za-z0-9]{36}", 41, ("npm_",)),
)


def secrets(action: Action = "mask", *, name: str = "secrets", **terms: Unpack[Terms]) -> Patterns:
    """A moderator that detects secrets."""
    return Patterns(
        name,
        [
            Pattern(form, Rule(f"secrets.{of}", action, "[secret]", SENTENCE, CURE), window, starts)
            for of, form, window, starts in _FORMS
        ],
        kind="secrets",
        **terms,
    )
