"""LIST and WATCH of a collection, as clients that mirror it expect them."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from aiohttp import web

from replay.simcluster import failures, selectors
from replay.simcluster.resources import Json, Resource
from replay.simcluster.store import Change, Store

DEFAULT_TIMEOUT_SECONDS = 1800.0
BOOKMARK_SECONDS = 60.0  # wall time, as on a real API server
LAST_BOOKMARK_SECONDS = 2.0  # before the end of a watch; a shorter watch gets none


@dataclass(frozen=True)
class Collection:
    """The objects that a LIST or a WATCH asks for."""

    resource: Resource
    namespace: str | None
    matches: Callable[[Json], bool]

    @classmethod
    def of(cls, resource: Resource, namespace: str | None, query: dict[str, str]) -> "Collection":
        """Parse the selectors of a query string. Raises `ApiError` 400 if they are invalid."""
        by_label = selectors.labels(query.get("labelSelector", ""))
        by_field = selectors.fields(query.get("fieldSelector", ""), resource)
        return cls(resource, namespace, lambda held: by_label(held) and by_field(held))

    def has(self, held: Json | None) -> bool:
        """Whether an object belongs to the collection."""
        if held is None or (self.namespace is not None and held["metadata"].get("namespace") != self.namespace):
            return False
        return self.matches(held)

    def now(self, store: Store) -> list[Json]:
        """The members of the collection."""
        return [held for held in store.objects(self.resource, self.namespace) if self.matches(held)]


def version_of(text: str | None) -> int:
    """A resource version from a query string; 0 if none is given. Raises `ApiError` 400 if it is not a number."""
    if not text:
        return 0
    if not text.isdecimal():
        raise failures.bad_request(f'invalid resource version "{text}": must be a number')
    return int(text)


def listing(store: Store, collection: Collection, query: dict[str, str]) -> Json:
    """The body of a LIST."""
    asked = version_of(query.get("resourceVersion"))
    if asked > store.version:
        raise failures.too_large_version(asked, store.version)
    if query.get("resourceVersionMatch") == "Exact" and asked != store.version:
        raise failures.expired(asked, store.version)
    resource = collection.resource
    typed = "." not in resource.group  # built-in lists leave kind and apiVersion out of their items
    items = [
        {name: value for name, value in held.items() if not (typed and name in {"kind", "apiVersion"})}
        for held in collection.now(store)
    ]
    return {
        "kind": f"{resource.kind}List",
        "apiVersion": resource.api_version,
        "metadata": {"resourceVersion": str(store.version)},
        "items": items,
    }


@dataclass(frozen=True)
class Span:
    """What a WATCH asks for beside its collection: changes after a version, 0 for all, for so much wall time."""

    since: int
    seconds: float = DEFAULT_TIMEOUT_SECONDS
    bookmarks: bool = False

    @classmethod
    def of(cls, query: dict[str, str]) -> "Span":
        """Read a query string; `ApiError` 400 or 422 for what cannot be read or is not served."""
        if "sendInitialEvents" in query:
            field = failures.Cause(
                "sendInitialEvents", "FieldValueForbidden", "Forbidden: streaming lists are not served"
            )
            raise failures.invalid("meta.k8s.io", "ListOptions", "", [field])
        since = version_of(query.get("resourceVersion"))
        seconds = query.get("timeoutSeconds", "")
        if seconds and not seconds.isdecimal():
            raise failures.bad_request(f'timeoutSeconds: "{seconds}" is not a whole number')
        bookmarks = query.get("allowWatchBookmarks", "false") in {"true", "1"}
        return cls(since, float(seconds or 0) or DEFAULT_TIMEOUT_SECONDS, bookmarks)


async def watch(
    request: web.Request,
    store: Store,
    collection: Collection,
    query: dict[str, str],
    form: Callable[[Json], Json],
) -> web.StreamResponse:
    """Stream the changes of a collection, each object in this form."""
    span = Span.of(query)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    async with aclosing(lines(store, collection, span, form)) as events:
        async for event in events:
            await response.write(event)
    await response.write_eof()
    return response


async def lines(
    store: Store, collection: Collection, span: Span, form: Callable[[Json], Json] = lambda held: held
) -> AsyncGenerator[bytes]:
    """The lines of a watch, until its timeout or until the store is closed. A start that is too old gives an ERROR event."""
    loop = asyncio.get_running_loop()
    end = loop.time() + span.seconds
    cursor = span.since
    if cursor == 0:
        cursor = store.version  # set before anything is sent: changes made meanwhile are sent afterwards
        for held in collection.now(store):
            yield _event("ADDED", form(held))
    bookmark_at = _bookmark_at(loop.time(), end)
    while True:
        try:
            changes = store.changes(collection.resource, cursor)
        except failures.ApiError as error:
            yield _event("ERROR", error.status)
            return
        cursor = max(cursor, store.version)
        for kind, held in _events(collection, changes):
            yield _event(kind, form(held))
        if store.closed:
            return
        left = min(end, bookmark_at) - loop.time()
        if left > 0:
            await _wait(store, cursor, left)
            continue
        if loop.time() >= end:
            return
        if span.bookmarks:
            yield _event("BOOKMARK", _bookmark(collection.resource, cursor))
        bookmark_at = _bookmark_at(loop.time(), end)


def _bookmark_at(now_seconds: float, end_seconds: float) -> float:
    last = end_seconds - LAST_BOOKMARK_SECONDS
    regular = now_seconds + BOOKMARK_SECONDS
    return last if now_seconds < last < regular else regular


async def _wait(store: Store, cursor: int, seconds: float) -> None:
    if store.version > cursor:  # something changed while events were being written
        return
    try:
        async with asyncio.timeout(seconds):
            await store.wait()
    except TimeoutError:
        pass


def _events(collection: Collection, changes: list[Change]) -> Iterator[tuple[str, Json]]:
    for change in changes:
        was, now = collection.has(change.before), collection.has(change.after)
        if now and change.after is not None:
            yield "MODIFIED" if was else "ADDED", change.after
        elif was and change.before is not None:
            last = change.after or change.before
            gone = {**last, "metadata": {**last["metadata"], "resourceVersion": str(change.version)}}
            yield "DELETED", gone


def _event(kind: str, held: Json) -> bytes:
    return json.dumps({"type": kind, "object": held}, separators=(",", ":")).encode() + b"\n"


def _bookmark(resource: Resource, version: int) -> Json:
    return {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": {"resourceVersion": str(version), "creationTimestamp": None},
    }
