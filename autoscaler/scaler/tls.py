"""The server's certificate, read again when its files change, so that a rotated Secret needs no restart."""

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

log = logging.getLogger(__name__)


class TlsError(Exception):
    """The TLS files cannot be used. The text names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files. With `client_ca`, every client must have a certificate that this CA signed (mTLS)."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are read."""
        return (self.certificate, self.key) if self.client_ca is None else (self.certificate, self.key, self.client_ca)

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials that follow the files. Raises TlsError where they cannot be used now."""
        follower = _Follower(self)
        return grpc.dynamic_ssl_server_credentials(
            follower.current(), follower.current, require_client_authentication=self.client_ca is not None
        )


class _Follower:
    """Reads the files again when they change. gRPC calls `current` at every handshake, on its own thread."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._stamp = _stamp(tls)
        self._loaded = _load(tls)

    def current(self) -> grpc.ServerCertificateConfiguration:
        """The content of the files, or the last usable one."""
        try:
            stamp = _stamp(self._tls)
            if stamp != self._stamp:
                self._stamp = stamp  # first, so that a bad file is logged once
                self._loaded = _load(self._tls)
                log.info("the TLS files were read again: %s", self._tls.certificate)
        except TlsError:
            log.exception("the TLS files cannot be used; keeping the last ones")
        return self._loaded


def _stamp(tls: Tls) -> tuple[tuple[int, int, int], ...]:
    try:
        return tuple((s.st_ino, s.st_mtime_ns, s.st_size) for s in (path.stat() for path in tls.files))
    except OSError as error:
        raise TlsError(f"{error.filename}: {error.strerror}; mount the Secret or correct the path") from error


def _load(tls: Tls) -> grpc.ServerCertificateConfiguration:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # gRPC itself reports no key that does not match
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
    except (OSError, ValueError) as error:
        raise TlsError(f"{tls.certificate} and {tls.key}: {error}; both must be PEM files and must match") from error
    client_ca = None
    if tls.client_ca is not None:
        try:
            context.load_verify_locations(tls.client_ca)
            client_ca = tls.client_ca.read_bytes()
        except OSError as error:
            raise TlsError(f"{tls.client_ca}: {error}; it must contain PEM certificates") from error
    return grpc.ssl_server_certificate_configuration([(tls.key.read_bytes(), tls.certificate.read_bytes())], client_ca)


def _no_password() -> str:
    raise ValueError("the key is encrypted; provide one without a passphrase")
