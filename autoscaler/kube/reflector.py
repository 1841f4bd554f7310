"""Keeps a store equal to a collection: list, watch, and list again whenever the watch may have missed something."""

import json
import random
from collections.abc import Callable
from contextlib import aclosing

import structlog

from autoscaler.clock import Clock
from autoscaler.kube.client import Kube
from autoscaler.kube.collection import Collection
from autoscaler.kube.errors import Gone, KubeError, TimedOut, Unavailable
from autoscaler.kube.objects import Object, key
from autoscaler.kube.store import Store

WATCH_SECONDS = 60.0  # of wall time; a half-open connection hides changes for at most twice this
BACKOFF_SECONDS = 1.0  # after the first failure; doubles
BACKOFF_LIMIT_SECONDS = 30.0
BRIEF_SECONDS = 5.0  # a watch that ends sooner without an event: the server hangs up, so pause before the next

log = structlog.get_logger(__name__)


class Reflector:
    """Lists and watches one collection. Back-off is in scenario time; the client sets the deadlines."""

    def __init__(
        self,
        kube: Kube,
        collection: Collection,
        store: Store,
        *,
        clock: Clock,
        rng: random.Random,
        trim: Callable[[Object], Object],
        watch_seconds: float = WATCH_SECONDS,
    ) -> None:
        self._kube = kube
        self._collection = collection
        self._store = store
        self._clock = clock
        self._rng = rng
        self._trim = trim
        self._watch_seconds = watch_seconds
        self._version: str | None = None  # None: list first
        self._last_contact_seconds = clock.now()
        self._failures = 0

    async def run(self) -> None:
        """Reflect until cancelled. API failures show in the store's `stale_since`, and are never raised."""
        while True:
            try:
                if self._version is None:
                    await self._list()
                await self._watch()
            except Gone:
                self._failures += 1
                self._version = None
            except KubeError as error:
                self._failures += 1
                self._version = None
                self._failed(error)
            if self._failures:
                await self._clock.sleep(self._pause_seconds())

    async def _list(self) -> None:
        items, version = await self._kube.list_all(self._collection)
        self._store.replace([self._read(item) for item in items])
        self._version = version
        self._succeeded()

    async def _watch(self) -> None:
        opened_seconds, events = self._clock.now(), 0
        seconds = self._watch_seconds * self._rng.uniform(1.0, 1.5)
        try:
            async with aclosing(self._kube.watch(self._collection, self._version or "", seconds)) as lines:
                async for line in lines:
                    self._apply(line)
                    self._succeeded()
                    events += 1
                    self._failures = 0
        except TimedOut:
            raise
        except KubeError:
            self._last_contact_seconds = self._clock.now()  # up to here it would have delivered changes
            raise
        self._succeeded()
        brief = not events and self._clock.now() - opened_seconds < BRIEF_SECONDS
        self._failures = self._failures + 1 if brief else 0

    def _apply(self, line: bytes) -> None:
        """Apply an event. An unreadable one is an unknown change: list again."""
        try:
            event = json.loads(line)
            kind, thing = event["type"], event["object"]
            version = thing["metadata"]["resourceVersion"] if kind != "ERROR" else None
            code = thing.get("code")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unavailable(f"watch {self._collection.path}: unreadable event {line[:80]!r}") from error
        match kind:
            case "ERROR":
                message = f"watch {self._collection.path}: {code} {thing.get('message', '')}"
                raise Gone(message) if code == 410 else Unavailable(message)
            case "ADDED" | "MODIFIED":
                self._store.put(self._read(thing))
            case "DELETED":
                self._store.drop(self._read(thing))
        self._version = version

    def _read(self, thing: Object) -> Object:
        try:
            kept = self._trim(thing)
            if key(kept).name:
                return kept
        except (KeyError, TypeError, AttributeError) as error:
            raise Unavailable(f"{self._collection.path}: unreadable object {str(thing)[:80]}") from error
        raise Unavailable(f"{self._collection.path}: an object without a name: {str(thing)[:80]}")

    def _succeeded(self) -> None:
        self._last_contact_seconds = self._clock.now()
        self._store.stale_since = None
        self._store.problem = ""

    def _failed(self, error: KubeError) -> None:
        if self._store.stale_since is None:
            self._store.stale_since = self._last_contact_seconds
            log.warning("kube.unavailable", collection=self._collection.path, error=str(error))
        self._store.problem = str(error)

    def _pause_seconds(self) -> float:
        doubled = BACKOFF_SECONDS * 2.0 ** min(self._failures - 1, 10)
        return min(BACKOFF_LIMIT_SECONDS, doubled) * self._rng.uniform(0.5, 1.0)


class Tail(Reflector):
    """Passes on what comes from now on: of an hour of a cluster's Events, a list could be any number."""

    async def _list(self) -> None:
        page = await self._kube.get(self._collection.path, self._collection.selector | {"limit": "1"})
        version = (page.get("metadata") or {}).get("resourceVersion")
        if not isinstance(version, str):
            raise Unavailable(f"GET {self._collection.path}: the answer is not a list")
        self._store.replace(())
        self._version = version
        self._succeeded()
