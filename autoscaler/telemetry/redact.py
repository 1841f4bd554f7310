"""Masks secrets in what is about to be logged or shown."""

import re
from collections.abc import Mapping

MASK = "***"

_SECRET_KEY = re.compile(
    r"(?:^|[_-])(?:token|password|passwd|secret|authorization|cookie|api[_-]?key|credentials?)$", re.IGNORECASE
)
_SECRET_TEXT = (
    # user:password@ in a URL
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s?#@]*(?:@[^/\s?#@]*)*@", re.IGNORECASE), rf"\1{MASK}@"),
    # an Authorization header, or its value alone
    (re.compile(r"\b(authorization['\"]?\s*[:=]\s*['\"]?)(?:\w+\s+)?[^\s'\",]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"\b((?i:bearer|basic))\s+(?=\S*[0-9A-Z=])[\w.~+/=-]{8,}"), rf"\1 {MASK}"),
    # ?token=..., password=...
    (re.compile(r"\b(token|access_token|password|secret|api_?key)=[^\s&'\",]+", re.IGNORECASE), rf"\1={MASK}"),
    # a JSON web token on its own, as service accounts have
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), MASK),
)


def redact(text: str) -> str:
    """Mask passwords in URLs, Authorization headers, bearer tokens and secrets in query strings."""
    for pattern, replacement in _SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text


def redact_mapping(values: Mapping[str, object]) -> dict[str, object]:
    """`redact` for every string in nested mappings and lists. Text under a key that names a secret is masked as a whole."""
    return {
        key: MASK if isinstance(value, str) and _SECRET_KEY.search(str(key)) else _redact_value(value)
        for key, value in values.items()
    }


def _redact_value(value: object) -> object:
    match value:
        case str():
            return redact(value)
        case Mapping():
            return redact_mapping(value)
        case list() | tuple():
            return [_redact_value(inner) for inner in value]
        case _:
            return value
