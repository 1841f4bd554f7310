r"""Masks secrets in what is about to be logged or shown, by the name before a value and by the shape of a value.

Every pattern takes time in proportion to the text: it begins with a fixed text, and what repeats is possessive or bounded.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

MASK = "***"

# Ends of names: api_token, X-Api-Key, clientSecret, aws_secret_access_key. Not the tokens of a model, which are figures.
_NAME = (
    r"(?:(?<!per)(?<!per[_-])token(?!['\"]?\s{0,3}[:=]\s{0,3}\d{1,5}(?:\.\d+)?(?![\w.+/=-]))|passwords?|passwd|pwd(?==[^/])|passphrase|secrets?|authorization|cookies?|credentials?"
    r"|(?:api|access|private|secret|signing|encryption)[_-]?keys?|client[_-](?:key|certificate)[_-]data|signature(?==)|\bsig(?==))"
)
_EMPTY = r"(?:None|null|true|false)(?![\w.+/=-])"
_SECRET_KEY = re.compile(rf"{_NAME}\Z", re.IGNORECASE)

_SECRET_TEXT = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"(?s:-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z))", MASK),
        # user:password@ in a URL, also with / or @ in the password; host:9090/a@b has none
        (r"(?<=\w)://(?!@)[^/\s?#@:]{0,256}:(?!\d{1,5}[/?#])(?:[^\s?#'\"<>]{0,512}@|\S{0,512}@)", f"://{MASK}@"),
        (r"(?<=\w)://[^/\s?#@]{1,512}@", f"://{MASK}@"),
        # a quoted value, also as JSON in a string, as bytes, and in a pair: 'name', 'value'
        (
            rf"({_NAME}\\*['\"]?\s{{0,3}}(?:=>|[:=]|(?<=['\"]),)\s{{0,3}}b?(\\*['\"]))(?:(?!\2)(?:\\.|[^\\\n]))*+",
            rf"\1{MASK}",
        ),
        (rf"((?<![\w-])--[\w-]{{0,40}}{_NAME} {{1,3}})(?!-)\S+", rf"\1{MASK}"),
        # the line of a header or of YAML
        (rf"(?m:^([ \t]{{0,99}}(?:- )?[\w-]{{0,40}}{_NAME}:[ \t]{{1,9}})(?!{_EMPTY})\S[^\n]*)", rf"\1{MASK}"),
        (r"(\bcookie:\s{0,3})[^\n'\"]+", rf"\1{MASK}"),
        (r"(\bauthorization\s{0,3}[:=]\s{0,3})(?:[\w-]{1,40}\s{1,3})?[^\s'\",]+", rf"\1{MASK}"),
        (
            rf"({_NAME}\s{{0,3}}(?:=>|[:=])\s{{0,3}})(?!{_EMPTY}|b?\\*['\"])(?:[^\s&'\",;]|[,;](?!\s|$|\w{{1,40}}[=:]))++",
            rf"\1{MASK}",
        ),
        (r"\b(bearer|basic)\s{1,3}(?-i:(?=\S{0,99}(?:[0-9=+/]|[a-z][A-Z]|[A-Z]{2})))[\w.~+/=-]{8,}", rf"\1 {MASK}"),
    )
) + tuple(
    (re.compile(rf"(?<![\w-]){shape}"), MASK)
    for shape in (
        r"eyJ[\w-]++\.[\w-]++\.[\w-]*",  # a JSON web token, as service accounts have
        r"(?:AKIA|ASIA)[0-9A-Z]{16}",  # AWS
        r"(?:gh[pousr]_|github_pat_|glpat-|hf_|xox[abprs]-)[\w-]{16,}",  # GitHub, GitLab, Hugging Face, Slack
        r"sk-(?=[\w-]{0,64}\d)[\w-]{16,}",  # OpenAI and its kin
        r"AIza[\w-]{35}",  # Google
        r"LS0tLS1CRUdJTi[\w+/]+=*",  # PEM in base64, as in a kubeconfig
    )
)
# What every pattern above needs, in lower case: few texts have any of it, and looking takes a tenth of the time.
_HINTS = (
    *("@", "token", "passw", "passphrase", "pwd", "secret", "authorization", "cookie", "credential", "key", "sig"),
    *("bearer", "basic", "-----begin", "eyj", "akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    *("glpat-", "hf_", "xox", "sk-", "aiza", "ls0tls1crudjti"),
)
_QUERY_VALUE = re.compile(r"(?<==).+|^[^=]+$", re.DOTALL)  # after the name, or all where there is no name
_DEEPEST = 12


def redact(text: str) -> str:
    """Mask passwords in URLs, values of secret names, headers with credentials, private keys and well-known tokens."""
    lower = text.lower()
    if any(hint in lower for hint in _HINTS):
        for pattern, replacement in _SECRET_TEXT:
            text = pattern.sub(replacement, text)
    return text


def redact_url(url: str) -> str:
    """Mask what is before the last @ of a URL, every value of its query, and its fragment: a secret there may have any name.

    Where a URL is only one part of a text, `redact` leaves `host:9090/a@b` and `?query=up` as they are.
    """
    text, hash_sign, _ = redact(url).partition("#")
    place, question_mark, query = text.partition("?")
    scheme, separator, rest = place.rpartition("://")
    _, at, host = rest.rpartition("@")
    shown = f"{scheme}{separator}{MASK}@{host}" if at else place
    values = "&".join(_QUERY_VALUE.sub(MASK, each) for each in query.split("&"))
    return shown + question_mark + values + (f"#{MASK}" if hash_sign else "")


def redact_mapping(values: Mapping[str, object]) -> dict[str, object]:
    """`redact` for every text in nested mappings, sequences and objects. What has a secret name is masked as a whole."""
    return _redact_items(values, 0)


def _redact_items(values: Mapping[str, object], depth: int) -> dict[str, object]:
    return {redact(str(key)): _redact_named(str(key), value, depth) for key, value in values.items()}


def _redact_named(name: str, value: object, depth: int) -> object:
    if value is None or isinstance(value, bool) or not _names_secret(name):
        return _redact_value(value, depth)
    return value if isinstance(value, int | float) and name.lower().endswith("token") else MASK


@lru_cache(maxsize=1024)
def _names_secret(name: str) -> bool:
    return _SECRET_KEY.search(name) is not None


def _redact_value(value: object, depth: int) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return redact(value)
        case Mapping() if depth < _DEEPEST:
            return _redact_items(value, depth + 1)
        case (str() as name, inner) if isinstance(value, tuple):  # a header
            return [redact(name), _redact_named(name, inner, depth + 1)]
        case list() | tuple() if depth < _DEEPEST:
            return [_redact_value(inner, depth + 1) for inner in value]
        case _:
            return redact(repr(value))  # as the renderer would show it
