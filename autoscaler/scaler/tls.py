"""The server's certificate from files, read again when they change, so that a rotated Secret needs no restart."""

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

log = logging.getLogger(__name__)


class TlsError(Exception):
    """The TLS material cannot be used. The text names the file and what to do."""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files. With `client_ca` every client must show a certificate that it signed (mTLS)."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that matter."""
        return (self.certificate, self.key) if self.client_ca is None else (self.certificate, self.key, self.client_ca)

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials that follow the files. TlsError when what is there now cannot be used."""
        follower = _Follower(self)
        return grpc.dynamic_ssl_server_credentials(
            follower.current(), follower.current, require_client_authentication=self.client_ca is not None
        )


class _Follower:
    """What gRPC asks at every handshake, on a thread of its own."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._stamp = _stamp(tls)
        self._loaded = _load(tls)

    def current(self) -> grpc.ServerCertificateConfiguration:
        """The material in the files; the last usable one while they are not."""
        try:
            stamp = _stamp(self._tls)
            if stamp != self._stamp:
                self._stamp = stamp  # first, so that a bad file is told once
                self._loaded = _load(self._tls)
                log.info("TLS material read again: %s", self._tls.certificate)
        except TlsError:
            log.exception("TLS material cannot be used, keeping the last")
        return self._loaded


def _stamp(tls: Tls) -> tuple[tuple[int, int, int], ...]:
    try:
        return tuple((s.st_ino, s.st_mtime_ns, s.st_size) for s in (path.stat() for path in tls.files))
    except OSError as error:
        raise TlsError(f"{error.filename}: {error.strerror}; mount the Secret or mend the path") from error


def _load(tls: Tls) -> grpc.ServerCertificateConfiguration:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # gRPC itself says nothing about a key that does not fit
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
    except (OSError, ValueError) as error:
        raise TlsError(f"{tls.certificate} and {tls.key}: {error}; both must be PEM and belong together") from error
    client_ca = None
    if tls.client_ca is not None:
        try:
            context.load_verify_locations(tls.client_ca)
            client_ca = tls.client_ca.read_bytes()
        except OSError as error:
            raise TlsError(f"{tls.client_ca}: {error}; it must hold PEM certificates") from error
    return grpc.ssl_server_certificate_configuration([(tls.key.read_bytes(), tls.certificate.read_bytes())], client_ca)


def _no_password() -> str:
    raise ValueError("the key is encrypted")
