"""A target's recent traffic from a Prometheus that runs, a day at a time.

prometheus://HOST[:PORT][/PREFIX]/NAMESPACE/TARGET[?kind=StatefulSet]        over http
prometheus+https://HOST...                                                   over https
"""

import json
import math
import os
import re
import ssl
import time  # noqa: TID251  # deadlines of I/O are on the wall
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from urllib3.exceptions import HTTPError

from crds.notation.units import DAY_SECONDS
from crds.resolve.problems import printable
from policies.series import (
    COUNTED_SECONDS,
    FINISHED,
    KINDS,
    identifying_labels,
    labels_of_pods,
    pods_pattern,
    scrape_interval_seconds,
    scrapes_query,
)
from replay.traces.prometheus import MOST_BYTES, joined, read_page, selector
from replay.traces.trace import Trace

SCHEMES = {"prometheus": "http", "prometheus+https": "https"}
FORM = "prometheus://HOST:PORT/NAMESPACE/TARGET, or prometheus+https:// for https"
TOKEN = "PROMETHEUS_TOKEN"  # noqa: S105  # the name of a variable
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
HOST = re.compile(r"[-\w.:%]{1,253}")  # a name, or an IP address
MOST_PER_SERIES = 11_000  # points that Prometheus answers with
CONNECT_SECONDS, READ_SECONDS, PAGE_SECONDS = 10.0, 60.0, 120.0
SHOWN = 160  # characters of a body in an error


@dataclass(frozen=True, slots=True)
class Access:
    """How Prometheus is read."""

    days: float = 7.0
    token_file: Path | None = None
    ca_file: Path | None = None
    tenant: str | None = None  # of Mimir, Cortex or Thanos


@dataclass(frozen=True, slots=True)
class Address:
    """Which target's traffic, and where."""

    base: str  # http://HOST:PORT/PREFIX
    namespace: str
    target: str
    kind: str

    @property
    def pods(self) -> str:
        """PromQL of the labels of its pods."""
        return labels_of_pods(self.namespace, pods_pattern(self.kind, self.target))


def address(name: str) -> Address:
    """Raises ValueError for what is no address, without showing a password in it."""
    try:
        parts = urlsplit(name)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError as error:
        raise ValueError(f"the address of Prometheus is wrong ({error}); write {FORM}") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address with a user or a password is refused; put a token into a file for --token-file")
    if parts.scheme not in SCHEMES:
        raise ValueError(f"{printable(name)}: write {FORM}")
    host = parts.hostname or ""
    *prefix, namespace, target = ("", "", *filter(None, parts.path.split("/")))
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    kind = options.pop("kind", "")
    if kind not in ("", *KINDS):
        raise ValueError(f"kind={printable(kind)} in the address is not one of {', '.join(KINDS)}")
    if not HOST.fullmatch(host) or not NAME.fullmatch(namespace) or not NAME.fullmatch(target):
        raise ValueError(f"{printable(name)} names no target of a Prometheus; write {FORM}")
    if options or parts.fragment:
        raise ValueError(f"{printable(name)} names no target of a Prometheus; write {FORM}")
    host = f"[{host}]" if ":" in host else host
    base = "/".join((f"{SCHEMES[parts.scheme]}://{host}{port}", *filter(None, prefix)))
    return Address(base, namespace, target, kind)


def read(name: str, access: Access) -> Trace:
    """The target's traffic of the last days, as far back as Prometheus has it. Shows its progress where stderr is a terminal.

    Raises ValueError and TraceError, which say what to do and hold no secret.
    """
    from rich.console import Console
    from rich.progress import track

    of = address(name)
    with _session(of, access) as session:
        source = Path(f"{of.base.partition('://')[2]}/{of.namespace}/{of.target}")
        now_seconds = _numbers(of, [_asked(session, of, "query", query="time()")])[0]
        begin_seconds = now_seconds - access.days * DAY_SECONDS
        counted_seconds = math.ceil((now_seconds - begin_seconds) / COUNTED_SECONDS) * COUNTED_SECONDS
        scrapes = _asked(
            session,
            of,
            "query_range",
            query=scrapes_query(of.pods),
            **_span(now_seconds - counted_seconds, now_seconds, COUNTED_SECONDS),
        )
        interval_seconds = scrape_interval_seconds(
            _numbers(of, [point for series in scrapes for point in _points(series)])
        )
        if interval_seconds is None:
            raise ValueError(
                f"{of.base} has no {FINISHED} of {of.namespace}/{of.target} in the last {_days_text(access.days)}; "
                "check the namespace, the target and that its series have the labels namespace and pod"
            )
        step_seconds = math.ceil(max(interval_seconds, DAY_SECONDS / MOST_PER_SERIES))
        console = Console(stderr=True)
        spans = list(_days(begin_seconds, now_seconds, step_seconds))
        pages = [
            read_page(source, _body(session, of, "query_range", query=query(of), **_span(*span, step_seconds)))
            for span in track(spans, source.name, console=console, transient=True, disable=not console.is_terminal)
        ]
    return joined(source, of.target, pages)


def query(of: Address) -> str:
    """The counters of each pod, summed over its engines; what two scrapes bring counts once."""
    labels = ", ".join(("__name__", "pod", *identifying_labels(FINISHED)))
    return f"sum by (__name__, pod) (max by ({labels}) ({selector(of.pods)}))"


def _days(begin_seconds: float, end_seconds: float, step_seconds: int) -> Iterator[tuple[float, float]]:
    """Spans of a day or less, each of which begins where the one before ends."""
    first, last = (math.ceil(at / step_seconds) * step_seconds for at in (begin_seconds, end_seconds - step_seconds))
    steps = int(DAY_SECONDS) // step_seconds
    for start in range(first, last, steps * step_seconds):
        yield start, min(start + steps * step_seconds, last)


def _days_text(days: float) -> str:
    return "day" if days == 1.0 else f"{days:g} days"


def _span(start_seconds: float, end_seconds: float, step_seconds: float) -> dict[str, str]:
    return {"start": f"{start_seconds:.0f}", "end": f"{end_seconds:.0f}", "step": f"{step_seconds:g}"}


def _session(of: Address, access: Access) -> requests.Session:
    """Without proxies and .netrc. Raises ValueError for a token that would be sent in the clear."""
    session = requests.Session()
    session.trust_env = False
    token = _token(access)
    if token and not of.base.startswith("https:"):
        where = TOKEN if access.token_file is None else "--token-file"
        raise ValueError(f"the token of {where} is sent over https only; write prometheus+https://, or leave it out")
    if token:
        session.headers["Authorization"] = f"Bearer {token}"
    if access.tenant:
        session.headers["X-Scope-OrgID"] = access.tenant
    if access.ca_file is not None:
        session.verify = _ca_file(access.ca_file)
    return session


def _ca_file(file: Path) -> str:
    """Its path. Raises OSError for a file that cannot be read, and ValueError for one without a certificate."""
    with file.open("rb"):
        pass
    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        raise ValueError(f"{file} has no certificate in PEM format; name the CA's certificate with --ca-file") from None
    return str(file)


def _token(access: Access) -> str:
    if access.token_file is None:
        found, where = os.environ.get(TOKEN, ""), TOKEN
    else:
        found, where = access.token_file.read_text(encoding="utf-8", errors="replace"), str(access.token_file)
    found = found.strip()
    if not found.isascii() or not found.isprintable() or " " in found or (access.token_file and not found):
        raise ValueError(f"{where} does not hold a token: one line of ASCII characters without spaces")
    return found


def _asked(session: requests.Session, of: Address, endpoint: str, **parameters: str) -> list[Any]:
    """The result of a query. Raises ValueError for what is no answer of Prometheus."""
    body = _body(session, of, endpoint, **parameters)
    try:
        answer = json.loads(body)
        if answer["status"] == "success":
            return list(answer["data"]["result"])
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise ValueError(f"{of.base} is not Prometheus: it answered with {_shown(body)}")


def _points(series: object) -> list[Any]:
    points = series.get("values") if isinstance(series, dict) else None
    return points if isinstance(points, list) else [points]


def _numbers(of: Address, points: list[Any]) -> list[float]:
    """The values of [time, value] pairs. Raises ValueError."""
    try:
        values = [float(value) for _, value in points]
    except (TypeError, ValueError):
        values = [math.nan]
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{of.base} is not Prometheus: it answered with {_shown(json.dumps(points).encode())}")
    return values


def _body(session: requests.Session, of: Address, endpoint: str, **parameters: str) -> bytes:
    """A 200 answer in full. Raises ValueError for any other."""
    url = f"{of.base}/api/v1/{endpoint}"
    deadline = time.monotonic() + PAGE_SECONDS
    body = bytearray()
    try:
        with session.get(
            url, params=parameters, timeout=(CONNECT_SECONDS, READ_SECONDS), stream=True, allow_redirects=False
        ) as answer:
            for part in answer.iter_content(1 << 16):
                body += part
                if len(body) > MOST_BYTES:
                    raise ValueError(f"{of.base} answered with more than {MOST_BYTES >> 20} MiB for a day")
                if time.monotonic() > deadline:
                    raise ValueError(f"{of.base} did not answer in full within {PAGE_SECONDS:g} s")
    except (requests.RequestException, HTTPError, OSError) as error:
        raise ValueError(f"{of.base} {_failure(error)}") from None
    if answer.status_code in (401, 403):
        raise ValueError(
            f"{of.base} answered with {answer.status_code}, which asks for other credentials; put a token into a file "
            f"for --token-file or into {TOKEN}"
        )
    if answer.is_redirect:
        raise ValueError(
            f"{of.base} answered with a redirect, which is not followed; name the address that it leads to"
        )
    if answer.status_code != requests.codes.ok:
        raise ValueError(f"{of.base} answered with {answer.status_code}: {_shown(bytes(body))}")
    return bytes(body)


def _failure(error: Exception) -> str:
    """Why there is no whole answer, and what to do about a certificate."""
    if isinstance(error, requests.Timeout):
        return f"did not answer within {READ_SECONDS:g} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "broke off in the middle of its answer"
    cause = _cause(error)
    match cause:
        case ssl.SSLCertVerificationError():
            why = printable(cause.verify_message.rstrip("."))
            return f"has a certificate that is not accepted: {why}; give the CA that signed it with --ca-file"
        case ssl.SSLError():
            return f"gives no TLS connection ({cause.reason or type(cause).__name__}); check that it serves https"
        case OSError() if cause.strerror:
            return f"cannot be reached: {printable(cause.strerror)}"
    is_packed = isinstance(error, requests.exceptions.ContentDecodingError)
    why = "its compressed answer is damaged" if is_packed else str(error) or type(error).__name__
    return f"cannot be read: {printable(why)[:SHOWN]}"


def _cause(error: BaseException) -> BaseException | None:
    """What the system reported, behind the errors of the libraries; None where it was none of its errors."""
    at: BaseException | None = error
    while at is not None and not (isinstance(at, OSError) and (at.strerror or isinstance(at, ssl.SSLError))):
        at = at.__cause__ or at.__context__
    return at


def _shown(body: bytes) -> str:
    text = " ".join(body[: 4 * SHOWN].decode(errors="replace").split())
    return repr(text[:SHOWN]) if text else "(no body)"
