"""Types of fields. A value is kept as it is written, or refused with what to write instead."""

import difflib
import re
from decimal import Decimal
from math import inf
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from crds.notation import units
from crds.notation.timestamps import unix_seconds

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_LABEL = rf"^{_LABEL}$"
DNS_SUBDOMAIN = rf"^{_LABEL}(\.{_LABEL})*$"
_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
_QUALIFIED = rf"(?=[^/]{{1,253}}(/|$))({_LABEL}(\.{_LABEL})*/)?{_NAME}"
_ZONE = r"^[A-Za-z0-9_+/-]+$"
_API_VERSION = r"^([a-z0-9.-]+/)?v[0-9]+((alpha|beta)[0-9]+)?$"
_KIND = r"^[A-Z][A-Za-z0-9]*$"
_PATH = r"^/[^ ?#]*$"
_DATA_KEY = r"^[-._a-zA-Z0-9]+$"
_HEADER_NAME = r"^[A-Za-z0-9-]+$"
_HEADER_VALUE = r"^[!-~]([ -~]*[!-~])?$"
_TEXT = r"^[^\x00-\x20\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\x9f])?$"
_UTC = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$"
_SPELLINGS = {
    0.001: ("ms", "millisecond", "milliseconds"),
    1.0: ("", "s", "sec", "secs", "second", "seconds"),
    60.0: ("m", "min", "mins", "minute", "minutes"),
    3600.0: ("h", "hr", "hour", "hours"),
    86_400.0: ("d", "day", "days"),
}
_SECONDS_OF = {spelling: factor for factor, spellings in _SPELLINGS.items() for spelling in spellings}


class Model(BaseModel):
    """What all models of the API share: camelCase, no silent conversions, no unknown fields."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


def refusal(why: str, instead: str) -> PydanticCustomError:
    """A validation error that carries what to write instead."""
    return PydanticCustomError("refused", "{why}", {"why": why, "instead": instead})


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _duration(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(units.DURATION, value, re.ASCII):
        return value
    match = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([a-z]*)\s*", str(value).lower())
    factor = _SECONDS_OF.get(match[2]) if match else None
    instead = units.duration(float(match[1]) * factor) if match and factor else "a duration such as 500ms, 5s or 1h30m"
    if _number(value):
        raise refusal("a duration needs a unit", instead)
    raise refusal("not a duration: whole numbers, each followed by h, m, s or ms", instead)


def _percent(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(units.PERCENT, value, re.ASCII):
        return value
    try:
        number = float(str(value).strip().removesuffix("%"))
    except ValueError:
        raise refusal("not a percentage", 'a percentage from 50% to 99.99%, such as "99%"') from None
    written_plainly = not str(value).strip().endswith("%")
    percent = number * 100 if written_plainly and number <= 1 else number
    text = f"{percent:.2f}".rstrip("0").rstrip(".") + "%"
    if re.fullmatch(units.PERCENT, text) and written_plainly:
        raise refusal("a percentage is a string with a % sign", f'"{text}"')
    why = (
        "no number of replicas can guarantee that"
        if percent > 99.99
        else "not a percentage from 50% to 99.99% with two decimals at most"
    )
    raise refusal(why, 'at most "99.99%"' if percent > 99.99 else 'at least "50%", such as "99%"')


def _quantity(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and re.fullmatch(units.QUANTITY, value, re.ASCII):
        return value
    if isinstance(value, float) and 0 < value < inf:
        raise refusal("a quantity with a fraction is a string", f'"{Decimal(repr(value)):f}"')
    if _number(value) and value < 0:  # type: ignore[operator]
        raise refusal("below 0", "0 or more")
    raise refusal(
        "not a quantity", "a whole number or a string with a suffix, such as 2500, 2.5k or 2500u (u means a millionth)"
    )


def _clock_time(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(units.CLOCK_TIME, value, re.ASCII):
        return value
    match = re.fullmatch(r"([0-9]{1,2})(?::([0-9]{2}))?(?::00)?", str(value).strip())
    text = f"{int(match[1]):02}:{match[2] or '00'}" if match else ""
    fits = re.fullmatch(units.CLOCK_TIME, text) is not None
    raise refusal("not a time of day: HH:MM, from 00:00 to 24:00", f'"{text}"' if fits else 'a time such as "08:30"')


def _utc(value: str) -> str:
    try:
        unix_seconds(value)
    except ValueError:
        raise refusal("there is no such day", "a time such as 2026-12-01T11:30:00Z") from None
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):
        close = difflib.get_close_matches(value, available_timezones(), n=1)
        instead = close[0] if close else "a name in the IANA time zone database, such as Europe/Berlin"
        raise refusal("no such time zone", instead) from None
    return value


def _text(value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        raise refusal("not a string", f'"{str(value).lower()}"')
    raise refusal("not a string", "a string")


def _label_value(value: object) -> object:
    if value and isinstance(value, str) and not re.fullmatch(_NAME, value, re.ASCII):
        raise refusal("not a label value: at most 63 letters, digits, -, _ and .", "an annotation for text of any form")
    return _text(value)


def _key(value: object, matched: object) -> object:
    if isinstance(matched, str) and not re.fullmatch(_QUALIFIED, matched, re.ASCII):
        raise refusal(
            "not a key: at most 63 letters, digits, -, _ and ., optionally after a domain and /", "a key such as team"
        )
    return value


def _dns(value: object, pattern: str, longest: int, example: str) -> object:
    if isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) and len(value) <= longest:
        return value
    if isinstance(value, str) and len(value) > longest:
        raise refusal(f"{len(value)} characters is too long", f"a name of at most {longest} characters")
    cleaned = re.sub(r"[^a-z0-9.-]+", "-", str(value).lower()).strip("-.") if isinstance(value, str | int) else ""
    why = "not a DNS name: lowercase letters, digits and -, with a letter or digit at both ends"
    raise refusal(why, cleaned if re.fullmatch(pattern, cleaned) else f"a name such as {example}")


def shaped(pattern: str, why: str, instead: str) -> BeforeValidator:
    """The annotation of a string that must match a pattern, which says so in a sentence."""

    def check(value: object) -> object:
        if isinstance(value, str) and not re.fullmatch(pattern, value, re.ASCII):
            raise refusal(why, instead)
        return value

    return BeforeValidator(check)


def dns_name(pattern: str, longest: int, example: str) -> BeforeValidator:
    """The annotation of a string that must be a DNS name."""
    return BeforeValidator(lambda value: _dns(value, pattern, longest, example))


Duration = Annotated[str, Field(pattern=units.DURATION, max_length=24), BeforeValidator(_duration)]
Percent = Annotated[str, Field(pattern=units.PERCENT, max_length=6), BeforeValidator(_percent)]
ClockTime = Annotated[str, Field(pattern=units.CLOCK_TIME, max_length=5), BeforeValidator(_clock_time)]
TimeZone = Annotated[
    str,
    Field(pattern=_ZONE, max_length=64),
    shaped(_ZONE, "not a name of a time zone: letters, digits, _, +, - and / alone", "a name such as America/New_York"),
    AfterValidator(_time_zone),
]
Utc = Annotated[
    str,
    Field(pattern=_UTC, max_length=20),
    shaped(_UTC, "not a time in UTC: YYYY-MM-DDTHH:MM:SSZ", "a time such as 2026-12-01T11:30:00Z"),
    AfterValidator(_utc),
]
Text = Annotated[
    str,
    Field(pattern=_TEXT, max_length=128),
    shaped(_TEXT, "not a line of text: no line breaks, and no space at either end", "one line of plain text"),
]
ApiVersion = Annotated[
    str,
    Field(pattern=_API_VERSION, max_length=128),
    shaped(_API_VERSION, "not an API version: GROUP/VERSION", "a version such as apps/v1"),
]
KindName = Annotated[
    str,
    Field(pattern=_KIND, max_length=63),
    shaped(_KIND, "not a kind: letters and digits, the first a capital", "a kind such as Deployment"),
]
UrlPath = Annotated[
    str,
    Field(pattern=_PATH, max_length=256),
    shaped(_PATH, "not a path: it begins with / and has no space, ? or #", "a path such as /metrics"),
]
LabelValue = Annotated[
    str,
    Field(pattern=_LABEL_VALUE, max_length=63),
    shaped(_LABEL_VALUE, "not a label value: at most 63 letters, digits, -, _ and .", "a value such as leader"),
]
LabelKey = Annotated[
    str,
    Field(pattern=LABEL_KEY, min_length=1, max_length=317),
    shaped(
        LABEL_KEY,
        "not a key: at most 63 letters, digits, -, _ and ., optionally after a domain and /",
        "a key such as team or nvidia.com/gpu",
    ),
]
DataKey = Annotated[
    str,
    Field(pattern=_DATA_KEY, max_length=253),
    shaped(_DATA_KEY, "not a key: letters, digits, -, _ and . alone", "a key such as ca.crt"),
]
HeaderName = Annotated[
    str,
    Field(pattern=_HEADER_NAME, max_length=64),
    shaped(_HEADER_NAME, "not the name of a header: letters, digits and - alone", "a name such as X-Scope-OrgID"),
]
HeaderValue = Annotated[
    str,
    Field(pattern=_HEADER_VALUE, max_length=256),
    shaped(_HEADER_VALUE, "not the value of a header: printable ASCII, without a space at either end", "plain text"),
]
ObjectName = Annotated[
    str, Field(pattern=DNS_SUBDOMAIN, min_length=1, max_length=253), dns_name(DNS_SUBDOMAIN, 253, "chat-vllm")
]
Label = Annotated[str, Field(pattern=DNS_LABEL, min_length=1, max_length=63), dns_name(DNS_LABEL, 63, "mornings")]
Labels = dict[
    Annotated[str, BeforeValidator(lambda key: _key(key, key))], Annotated[str | None, BeforeValidator(_label_value)]
]
Annotations = dict[
    Annotated[str, BeforeValidator(lambda key: _key(key, str(key).lower()))],
    Annotated[str | None, BeforeValidator(_text)],
]
Quantity = Annotated[
    int | str,
    BeforeValidator(_quantity),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": units.QUANTITY,
            "maxLength": 24,
        }
    ),
]
