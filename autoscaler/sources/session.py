"""A transport for the synchronous client: a `requests` session that trusts, sends and follows what the others do, and no more."""

from typing import Any

import requests
from requests.adapters import HTTPAdapter

from autoscaler.sources.transport import Transport


def session(transport: Transport, url: str) -> requests.Session:
    """A session for everything under this URL, without proxies and .netrc. Raises `SourceError` as `Transport.sent` does."""
    made = requests.Session()
    made.trust_env = False
    made.max_redirects = 0
    made.headers.update(transport.sent(url))
    made.verify = not transport.skip_verify
    if url.startswith("https:"):
        made.mount(f"{url.rstrip('/')}/", _Adapter(transport))
    return made


class _Adapter(HTTPAdapter):
    """Takes certificates from the transport alone: by itself `requests` would trust its own bundle as well."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as in requests
        """Give every connection the context."""
        transport = self._transport
        super().init_poolmanager(*args, ssl_context=transport.context, server_hostname=transport.server_name, **kwargs)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:  # noqa: ANN401 - as in requests
        """Add nothing to the context."""
