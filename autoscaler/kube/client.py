"""The Kubernetes API as raw JSON. The only file that uses kubernetes_asyncio, for configuration, authentication and TLS.

Its models and its watch are not used: its models take 20 times as long as plain JSON, and its watch goes on from a stale
resource version. Every call has a deadline, in wall-clock seconds, since the library sets none.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.config import ConfigException

from autoscaler.kube.collection import Collection, access_reviews
from autoscaler.kube.errors import (
    Conflict,
    Forbidden,
    Gone,
    KubeError,
    NotConfigured,
    NotFound,
    Rejected,
    TimedOut,
    Unavailable,
)
from autoscaler.kube.objects import Object
from autoscaler.telemetry.metrics import KUBE_ERRORS

BODY_LIMIT_BYTES = 64 * 2**20  # a page of 500 pods is near 5 MiB
LINE_LIMIT_BYTES = 4 * 2**20  # etcd stores at most 1.5 MiB
PAGE_ITEMS = 500
GRACE_SECONDS = 10.0  # a watch may end this much later than requested

JSON_TYPE = "application/json"
MERGE_PATCH_TYPE = "application/merge-patch+json"

ERRORS: Mapping[int, type[KubeError]] = {
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    408: Unavailable,
    409: Conflict,
    410: Gone,
    429: Unavailable,
}


class Kube:
    """A connection to one API server. Every call raises `KubeError`."""

    def __init__(self, api: ApiClient, timeout_seconds: float = 10.0) -> None:
        self._api = api
        self._timeout_seconds = timeout_seconds

    @classmethod
    async def connect(
        cls, kubeconfig: Path | None = None, timeout_seconds: float = 10.0, *, context: str | None = None
    ) -> Self:
        """Read the configuration, without a call yet. Raises `NotConfigured`.

        Without a path and a context: the pod's own service account, else `$KUBECONFIG` or `~/.kube/config`.
        """
        configuration = Configuration()
        configuration.connection_pool_maxsize = 0  # no limit: every watch holds a connection
        try:
            if kubeconfig or context or not _read_service_account(configuration):
                await _read_kubeconfig(kubeconfig, context, configuration)
            api = ApiClient(configuration)
        except (ConfigException, OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
            where = f"kubeconfig {kubeconfig}" if kubeconfig else "no usable service account or kubeconfig"
            known = isinstance(error, ConfigException | OSError | yaml.YAMLError)
            why = " ".join(str(error).split()) if known else "it is not a kubeconfig"
            raise NotConfigured(f"{where}: {why}; set OUTRIDER_KUBECONFIG to a readable kubeconfig") from error
        api.user_agent = "outrider"
        return cls(api, timeout_seconds)

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        """Read an object, or a page of a list."""
        return await self._call("GET", path, query or {})

    async def log(self, namespace: str, pod: str, container: str, most_bytes: int) -> str:
        """The beginning of a container's log, each line with its time before it."""
        query = {"container": container, "timestamps": "true", "limitBytes": str(most_bytes)}
        content = await self._content("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log", query)
        return content[:most_bytes].decode(errors="replace")

    async def list_all(self, collection: Collection) -> tuple[list[Object], str]:
        """Every object of a collection, page by page, and the resource version to watch from."""
        query = {"limit": str(PAGE_ITEMS)} | collection.selector
        found: list[Object] = []
        while True:
            page = await self.get(collection.path, query)
            items, about = page.get("items"), page.get("metadata") or {}
            if not isinstance(items, list) or "resourceVersion" not in about:
                raise Unavailable(f"GET {collection.path}: the answer is not a list")
            found += items
            if not about.get("continue"):
                return found, str(about["resourceVersion"])
            query["continue"] = about["continue"]

    async def may_list(self, collection: Collection) -> bool:
        """Whether this account may list a collection, by the server's word: a list that is refused would count as an error."""
        group, _, _ = collection.api_version.rpartition("/")
        asked = {"group": group, "resource": collection.plural, "namespace": collection.namespace or "", "verb": "list"}
        reviews = access_reviews()
        kind = {"apiVersion": reviews.api_version, "kind": "SelfSubjectAccessReview"}
        answer = await self.create(reviews.path, {**kind, "spec": {"resourceAttributes": asked}})
        return (answer.get("status") or {}).get("allowed") is True

    async def create(self, path: str, body: Object) -> Object:
        """Create an object in a collection. `Conflict` if it exists."""
        return await self._call("POST", path, {}, body)

    async def merge_patch(self, path: str, body: Object) -> Object:
        """Merge into an object, or into its subresource."""
        return await self._call("PATCH", path, {}, body, MERGE_PATCH_TYPE)

    async def delete(self, path: str, uid: str) -> None:
        """Delete the object with this uid (`Conflict` if another has its name) and, in the background, what it owns."""
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid},
        }
        await self._call("DELETE", path, {}, body)

    async def watch(self, collection: Collection, resource_version: str, seconds: float) -> AsyncGenerator[bytes]:
        """The lines of a watch, each a JSON event. Ends when the server ends it, about `seconds` after it began."""
        query = collection.selector | {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(round(seconds)),
        }
        call = f"watch {collection.path}"
        with _failures(call, "no answer in time"):
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._open("GET", collection.path, query, total_seconds=seconds + GRACE_SECONDS)
            try:
                if response.status != 200:
                    raise _refusal(call, response.status, await self._read(response, call))
                async for line in _lines(response, call):
                    yield line
            finally:
                response.close()

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None = None,
        content_type: str = JSON_TYPE,
    ) -> Object:
        content = await self._content(method, path, query, body, content_type)
        answer = _parse(content)
        if answer is None:
            raise Unavailable(f"{method} {path}: the answer is not a JSON object but {_excerpt(content)}")
        return answer

    async def _content(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None = None,
        content_type: str = JSON_TYPE,
    ) -> bytes:
        call = f"{method} {path}"
        with _failures(call, f"no answer within {self._timeout_seconds:g} s"):
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._open(
                    method, path, query, total_seconds=self._timeout_seconds, body=body, content_type=content_type
                )
                try:
                    content = await self._read(response, call)
                finally:
                    response.release()
            if not 200 <= response.status < 300:
                raise _refusal(call, response.status, content)
            return content

    async def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        total_seconds: float,
        body: Object | None = None,
        content_type: str = JSON_TYPE,
    ) -> aiohttp.ClientResponse:
        try:
            response: aiohttp.ClientResponse = await self._api.call_api(
                path,
                method,
                query_params=list(query.items()),
                header_params={"Accept": JSON_TYPE, "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=aiohttp.ClientTimeout(total=total_seconds),
            )
        except ConfigException as error:  # the service account's token file became unreadable
            raise Unavailable(f"{method} {path}: {error}") from error
        return response

    async def _read(self, response: aiohttp.ClientResponse, call: str) -> bytes:
        content = bytearray()
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > BODY_LIMIT_BYTES:
                response.close()
                raise Unavailable(f"{call}: the answer is longer than {BODY_LIMIT_BYTES} bytes")
        return bytes(content)


def _read_service_account(configuration: Configuration) -> bool:
    try:
        config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
    except ConfigException:
        return False
    return True


async def _read_kubeconfig(path: Path | None, context: str | None, configuration: Configuration) -> None:
    """From a path, or from the paths in $KUBECONFIG, which are merged."""
    paths = str(path or config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION)
    if not await asyncio.to_thread(_any_exists, paths):  # the library would only log it
        raise ConfigException(f"{paths} does not exist")
    await config.load_kube_config(paths, context, configuration, persist_config=False)


def _any_exists(paths: str) -> bool:
    return any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep) if path)


async def _lines(response: aiohttp.ClientResponse, call: str) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in response.content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line.strip():
                yield line
        if len(rest) > LINE_LIMIT_BYTES:
            raise Unavailable(f"{call}: a line is longer than {LINE_LIMIT_BYTES} bytes")
    if rest.strip():
        raise Unavailable(f"{call}: the connection ended in the middle of a line")


@contextmanager
def _failures(call: str, on_timeout: str) -> Iterator[None]:
    """Raise whatever goes wrong within as one of our own errors, and count it."""
    try:
        try:
            yield
        except TimeoutError as error:
            raise TimedOut(f"{call}: {on_timeout}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{call}: {_cause(error)}") from error
    except KubeError as error:
        KUBE_ERRORS.labels(kind=type(error).__name__).inc()
        raise


def _parse(content: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(content)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _refusal(call: str, status: int, content: bytes) -> KubeError:
    kind = ERRORS.get(status, Unavailable if status >= 500 or status < 400 else Rejected)
    answer = _parse(content)
    message = answer.get("message") if answer else None
    return kind(f"{call}: {status} {message or _excerpt(content)}")


def _excerpt(content: bytes) -> str:
    return repr(content[:80].decode(errors="replace")) if content else "empty"


def _cause(error: BaseException) -> str:
    return str(error) or type(error).__name__
