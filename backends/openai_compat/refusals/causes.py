"""Why a server rejects a request: whether leaving something out can help, or people must be told."""

from __future__ import annotations

import re

from backends.errors import BackendError, BadRequest, ContextTooLong, ModelUnsupported
from backends.openai_compat.refusals.refusal import Refusal
from backends.openai_compat.refusals.variants import Body, features, fields_of

_FRACTIONS = frozenset({"temperature", "top_p", "min_p", "repetition_penalty"})
_MOST = 2.0**63
_RANGES = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "repetition_penalty": (0.0, 2.0),
    "repeat_penalty": (0.0, 2.0),
    "top_k": (-1.0, _MOST),
    "max_tokens": (1.0, _MOST),
    "top_logprobs": (0.0, 20.0),
}
"""By the references of OpenAI and vLLM. A number beyond is refused for what it is."""

_UNSUPPORTED = re.compile(
    r"unsupported|not supported|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed"
    r"|does(n't| not) support|extra (inputs?|fields?|forbidden)|not implemented|incompatible",
    re.I,
)
_NEVER = re.compile(
    r"content.?(filter|policy|management)|safety|moderation|inappropriate|sensitive|prohibited|data.?inspection"
    r"|敏感|违规|不安全|审核|违法"
    r"|quota|billing|balance|credit|payment|arrear|余额|欠费|额度|充值"
    r"|api.?key|unauthori[sz]ed|authenticat|credential|permission|密钥|鉴权|认证"
    r"|rate.?limit|too many requests|限流|频率",
    re.I,
)
_LIMIT_LABEL = re.compile(
    r"above|below|less_than|greater_than|(max|min)imum|range|too_(long|short|large|small)", re.I
)


def negotiable(error: BackendError, refusal: Refusal, body: Body) -> bool:
    """Whether the request may be accepted without some feature. Rejections because of content, a long
    context, a key, a missing model, an empty account, too many requests or an invalid value are not about
    features.

    error: the error it was read as. A 500, a 501 and an error inside a 200 must name what is unsupported.
    """
    names = refusal.names(features(body))
    placed = any(refusal.points_to(name) for name in names)
    if refusal.status not in (400, 422):
        if refusal.status not in (None, 500, 501) or not names or not _UNSUPPORTED.search(refusal.all_words):
            return False
        return refusal.status != 500 or names[0] in ("system", "opening", "turns")
    if isinstance(error, ModelUnsupported):  # a chat template that refuses a role
        return not {"system", "opening", "turns"}.isdisjoint(names)
    if type(error) is not BadRequest and not (placed and not isinstance(error, ContextTooLong)):
        return False
    if not placed and _NEVER.search(refusal.all_words):
        return False
    return not refuses_value(refusal, body)


def odd_values(body: Body) -> frozenset[str]:
    """Features whose value no server accepts: whoever set it should be told."""
    return frozenset(
        name
        for name, (least, most) in _RANGES.items()
        if isinstance(value := body.get(name), int | float) and not least <= value <= most
    )


def refuses_value(refusal: Refusal, body: Body) -> bool:
    """Whether the server supports the field it names but not this value: it says so by a code, or states the
    limit that the value exceeds."""
    names = refusal.names(features(body))
    if not names:
        return False
    if names[0] in odd_values(body):
        return True
    if _UNSUPPORTED.search(refusal.all_words):
        return False
    if _LIMIT_LABEL.search(refusal.labels):
        return True
    value = next((body[field] for field in fields_of(names[0]) if field in body), None)
    value = len(value) if isinstance(value, list) else value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    most = 10.0 if names[0] in _FRACTIONS else float("inf")
    limits = [number for number in refusal.numbers() if number != value and abs(number) <= most]
    return len(limits) == 1 or (len(limits) > 1 and not min(limits) <= value <= max(limits))
