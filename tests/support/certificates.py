"""Certificates for the TLS checks, made on the spot."""

import datetime as dt
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


class Authority:
    """A certificate authority of one test."""

    def __init__(self, name: str, key: bytes | None = None) -> None:
        """A new one, or that of a key as PEM."""
        found = (
            ec.generate_private_key(ec.SECP256R1()) if key is None else serialization.load_pem_private_key(key, None)
        )
        self._key = cast(ec.EllipticCurvePrivateKey, found)
        self.key = unlocked(self._key)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = pem(self._sign(self._name, self._key, (), expired=False, authority=True))

    def issue(
        self,
        name: str,
        *,
        organization: str | None = None,
        hosts: Sequence[str] = ("localhost",),
        expired: bool = False,
    ) -> tuple[bytes, bytes]:
        """Certificate and key for those names and addresses, as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if organization:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        subject = x509.Name(attributes)
        return pem(self._sign(subject, key, hosts, expired=expired, authority=False)), unlocked(key)

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        hosts: Sequence[str],
        *,
        expired: bool,
        authority: bool,
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        unsigned = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * DAY)
            .not_valid_after(now - DAY if expired else now + 365 * DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_name(host) for host in hosts])
            unsigned = unsigned.add_extension(names, critical=False)
        return unsigned.sign(self._key, hashes.SHA256())


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def unlocked(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def locked(key_pem: bytes, password: bytes) -> bytes:
    """The same key, encrypted."""
    key = serialization.load_pem_private_key(key_pem, None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )


def put(folder: Path, pair: tuple[bytes, bytes]) -> tuple[Path, Path]:
    """Writes tls.crt and tls.key, as in a Secret of type kubernetes.io/tls."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(pair[0])
    key.write_bytes(pair[1])
    return certificate, key


def server_context(folder: Path, pair: tuple[bytes, bytes]) -> ssl.SSLContext:
    """The context of a server with this certificate and key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*put(folder, pair))
    return context
