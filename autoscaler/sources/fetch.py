"""An HTTP GET that is limited in time and in size, and follows no redirect."""

import asyncio
import os
import ssl
from collections.abc import Mapping

import aiohttp

from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.transport import Names, Transport
from autoscaler.telemetry.redact import redact

PLAIN = Transport()
_EXCERPT = 160
_WRONG_NAME = (62, 64)  # OpenSSL's codes for a host name and an address that the certificate lacks
_WRONG_TIME = (9, 10)  # not yet valid, and expired


async def get(
    session: aiohttp.ClientSession,
    url: str,
    *,
    timeout_seconds: float,
    max_bytes: int,
    params: Mapping[str, str] | None = None,
    accept: str = "*/*",
    transport: Transport = PLAIN,
) -> bytes:
    """Return the body of a 200 answer, read in full within `timeout_seconds` of wall time.

    Redirects are not followed: most lead to a login page, and credentials would go along.
    Raises `SourceError` for everything else, with secrets in the URL masked.
    """
    where = redact(url)
    headers = {"Accept": accept, "Accept-Encoding": "identity"} | transport.sent(url)
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            session.get(
                url,
                params=params,
                allow_redirects=False,
                headers=headers,
                ssl=transport.context if url.startswith("https:") else True,
                server_hostname=transport.server_name,
            ) as response,
        ):
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > max_bytes:
                    raise SourceError(SourceErrorKind.BODY, f"{where} answered with more than {max_bytes} bytes")
    except TimeoutError:
        raise SourceError(
            SourceErrorKind.TIMEOUT,
            f"{where} did not answer in full within {timeout_seconds:g} s; it may be overloaded, or a NetworkPolicy in the way",
        ) from None
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
        raise SourceError(SourceErrorKind.TLS, f"{where}: {_refusal(error, transport.names)}") from None
    except aiohttp.ClientConnectorError as error:
        refused: OSError = error.os_error
        is_system = refused.errno is not None and refused.errno > 0  # else a resolver's
        why = os.strerror(refused.errno or 0) if is_system else refused.strerror or type(refused).__name__
        raise SourceError(
            SourceErrorKind.CONNECTION, f"{where}: no connection ({why}); check {transport.names.address}"
        ) from error
    except aiohttp.ClientResponseError as error:  # its text repeats the URL, and says 400 whatever the server said
        raise SourceError(
            SourceErrorKind.CONNECTION,
            f"{where}: the answer is not valid HTTP ({_line(error.message, transport)}); check {transport.names.address}",
        ) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise SourceError(
            SourceErrorKind.CONNECTION, f"{where}: {_line(str(error) or type(error).__name__, transport)}"
        ) from error
    if response.status != 200:
        answer = f"{response.status} {_line(response.reason or '', transport)}".rstrip()
        raise SourceError(
            SourceErrorKind.STATUS,
            f"{where} answered with {answer}: {excerpt(body, transport)}" + _advice(response.status, transport),
            response.status,
        )
    return bytes(body)


def _refusal(error: aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError, names: Names) -> str:
    """Why there is no TLS connection, and what to do."""
    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error.os_error
    if not isinstance(cause, ssl.SSLCertVerificationError):
        reason = getattr(cause, "reason", "") or type(cause).__name__
        return f"no TLS connection ({reason}); check {names.address}, and that the server serves https"
    if cause.verify_code in _WRONG_NAME:
        instead = f"set {names.server_name} to a name in the certificate"
    elif cause.verify_code in _WRONG_TIME:
        instead = "renew it"
    else:
        instead = f"set {names.ca} to the CA that signed it"
    return f"its certificate is not accepted: {cause.verify_message.rstrip('.')}; {instead}"


def _advice(status: int, transport: Transport) -> str:
    names = transport.names
    if status in (401, 403):
        is_sent = transport.bearer is not None
        return f"; {'check the token of' if is_sent else 'a token may be needed: set'} {names.bearer}"
    return f"; check {names.address}" if status == 404 else ""


def excerpt(body: bytes | bytearray, transport: Transport = PLAIN) -> str:
    """The start of a body on one line, for an error message."""
    text = _line(body.decode(errors="replace"), transport)
    return repr(text) if text else "(no body)"


def _line(text: str, transport: Transport) -> str:
    """The start of a server's text on one line, without secrets and control characters."""
    # Masked before it is cut, since of a secret that is cut in two no half is known for one.
    line = redact(" ".join(transport.masked(text)[: 4 * _EXCERPT].split()))
    line = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)
    return line if len(line) <= _EXCERPT else line[:_EXCERPT] + "..."
