"""An HTTP GET that is limited in time and in size, and follows no redirect."""

import asyncio
from collections.abc import Mapping

import aiohttp

from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.telemetry.redact import redact

_EXCERPT = 160


async def get(
    session: aiohttp.ClientSession,
    url: str,
    *,
    timeout_seconds: float,
    max_bytes: int,
    params: Mapping[str, str] | None = None,
) -> bytes:
    """Return the body of a 200 answer, read in full within `timeout_seconds` of wall time.

    Redirects are not followed: most lead to a login page, and credentials would go along.
    Raises `SourceError` for everything else, with secrets in the URL masked.
    """
    where = redact(url)
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            session.get(url, params=params, allow_redirects=False, headers={"Accept-Encoding": "identity"}) as response,
        ):
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > max_bytes:
                    raise SourceError(SourceErrorKind.BODY, f"{where} answered with more than {max_bytes} bytes")
    except TimeoutError:
        raise SourceError(
            SourceErrorKind.TIMEOUT, f"{where} did not answer in full within {timeout_seconds:g} s"
        ) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise SourceError(
            SourceErrorKind.CONNECTION, f"{where}: {redact(str(error) or type(error).__name__)}"
        ) from error
    if response.status != 200:
        raise SourceError(
            SourceErrorKind.STATUS, f"{where} answered with {response.status} {response.reason}: {excerpt(body)}"
        )
    return bytes(body)


def excerpt(body: bytes | bytearray) -> str:
    """The start of a body on one line, for an error message."""
    text = " ".join(body[: 4 * _EXCERPT].decode(errors="replace").split())
    if not text:
        return "(no body)"
    return repr(redact(text if len(text) <= _EXCERPT else text[:_EXCERPT] + "..."))
