"""How a server is reached: which certificates are trusted, and what is sent along. For pods, and for both clients of Prometheus.

A bearer token leaves only over https to a server whose certificate was verified. No message and no `repr` contains one.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.telemetry.redact import MASK

SHORTEST_SECRET = 6  # characters; to mask a shorter token would only garble the text
LONGEST_TOKEN = 16_384  # characters; a service account's token has about 1,200
LONGEST_CA = 262_144  # characters, read in 0.1 s; all the CAs of a Linux distribution have 220,000
_TOKEN = re.compile(r"[\x21-\x7e]+")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]++-----END CERTIFICATE-----", re.ASCII)
_NO_CERTIFICATE = "no certificate in PEM format: it begins with -----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Names:
    """Where a reader of a message sets each part."""

    address: str
    ca: str
    server_name: str
    bearer: str


POD_NAMES = Names(
    "scheme, port, path and podSelector in spec.metrics",
    "spec.metrics.tls.caConfigMap",
    "spec.metrics.tls.serverName",
    "spec.metrics.bearerTokenSecret",
)
PROMETHEUS_NAMES = Names(
    "--prometheus-url", "--prometheus-ca-file", "--prometheus-server-name", "--prometheus-token-file"
)


@dataclass(frozen=True)
class Transport:
    """What a client needs beside the URL. Raises ValueError for a CA that is none, and for a token that anyone could take."""

    ca: str | None = None  # certificates as PEM; None: the CAs of the system
    server_name: str | None = None  # that the certificate must have; None: the host of the URL
    skip_verify: bool = False
    bearer: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    names: Names = POD_NAMES

    def __post_init__(self) -> None:
        if self.bearer is not None and self.skip_verify:
            raise ValueError("a bearer token is sent only to a server whose certificate is verified")
        if self.ca is not None and (problem := _ca_problem(self.ca)):
            raise ValueError(problem)

    @cached_property
    def context(self) -> ssl.SSLContext:
        """The TLS context. Made once: reading the system's CAs takes 10 ms."""
        context = _trusting(self.ca)
        if self.skip_verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def sent(self, url: str) -> dict[str, str]:
        """The headers of a request to this URL. Raises `SourceError` where a token would be sent in plain text."""
        sent = dict(self.headers)
        if self.bearer is not None:
            if not url.startswith("https://"):
                raise SourceError(
                    SourceErrorKind.TRANSPORT, "a bearer token is sent over https only; change the scheme"
                )
            sent["Authorization"] = f"Bearer {self.bearer}"
        return sent

    def masked(self, text: str) -> str:
        """A text of the server, which may repeat the token that it was sent."""
        if self.bearer is None or len(self.bearer) < SHORTEST_SECRET:
            return text
        return text.replace(self.bearer, MASK)


class FileTransport:
    """A transport whose token and CA are files, read again when they change."""

    def __init__(
        self,
        *,
        bearer_token_file: Path | None = None,
        ca_file: Path | None = None,
        server_name: str | None = None,
        skip_verify: bool = False,
        headers: Mapping[str, str] | None = None,
        names: Names = PROMETHEUS_NAMES,
    ) -> None:
        self._bearer_token_file = bearer_token_file
        self._ca_file = ca_file
        self._server_name = server_name
        self._skip_verify = skip_verify
        self._headers = tuple((headers or {}).items())
        self._names = names
        self._stamp: tuple[tuple[int, int, int], ...] | None = None
        self._transport: Transport | None = None

    def __getstate__(self) -> dict[str, object]:
        """For another process, which reads the files itself: nothing secret leaves this one."""
        return {**self.__dict__, "_stamp": None, "_transport": None}

    def current(self) -> Transport:
        """The transport as the files have it now. Raises `SourceError` that names a file which cannot be used."""
        files = [file for file in (self._bearer_token_file, self._ca_file) if file]
        try:
            stamp = tuple((s.st_ino, s.st_mtime_ns, s.st_size) for s in (file.stat() for file in files))
            if self._transport is None or stamp != self._stamp:
                self._transport = Transport(
                    _read_ca(self._ca_file),
                    self._server_name,
                    self._skip_verify,
                    _read_token(self._bearer_token_file),
                    self._headers,
                    self._names,
                )
                self._stamp = stamp
        except OSError as error:
            raise SourceError(
                SourceErrorKind.TRANSPORT, f"{error.filename}: {error.strerror}; mount the file or correct the path"
            ) from None
        return self._transport


def token(text: str, where: str) -> str:
    """The bearer token that a text contains. Raises `SourceError` that names `where` and shows nothing of it."""
    found = text.strip()
    if not _TOKEN.fullmatch(found) or len(found) > LONGEST_TOKEN:
        raise SourceError(
            SourceErrorKind.TRANSPORT, f"{where} is not a bearer token: one line of printable characters without spaces"
        )
    return found


def _read_token(file: Path | None) -> str | None:
    return None if file is None else token(file.read_text(errors="replace"), str(file))


def _read_ca(file: Path | None) -> str | None:
    if file is None:
        return None
    text = file.read_text(errors="replace")
    if problem := _ca_problem(text):
        raise SourceError(SourceErrorKind.TRANSPORT, f"{file}: {problem}")
    return text


@lru_cache(maxsize=256)  # each is read again once a minute
def _ca_problem(ca: str) -> str:
    """Why these certificates cannot be used; empty where they can."""
    if len(ca) > LONGEST_CA:
        return f"{len(ca)} characters of certificates, more than {LONGEST_CA}; keep the CAs that sign these servers' certificates"
    try:
        _trusting(ca)
    except ValueError as error:
        return str(error)
    return ""


def _trusting(ca: str | None) -> ssl.SSLContext:
    """A context that trusts these certificates and no others, or the system's. Raises ValueError."""
    found = None if ca is None else "\n".join(_CERTIFICATE.findall(ca))  # comments may be in any script
    if found == "":  # the library would take the system's
        raise ValueError(_NO_CERTIFICATE)
    try:
        context = ssl.create_default_context(cadata=found)
    except ssl.SSLError:
        raise ValueError(_NO_CERTIFICATE) from None
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # of Python 3.13; many private CAs lack a key identifier
    return context
