"""A small Kubernetes API on real HTTP for tests of the client, the reflector and the balloons.

What it does not do:
- admission, defaulting or validation: what is posted is stored as it came, with a uid, a version and a creation time;
- authentication, TLS, quotas, kinds (any plural in a path is a collection), field selectors, server-side apply;
- label selectors beyond `a=b` and bare `a`; a change that makes an object leave a selector is not told as DELETED;
- controllers: no pod appears for a Job, nothing is garbage-collected, no deadline or ttl passes. A test does it by hand;
- graceful deletion: a deleted object is gone at once;
- `timeoutSeconds`: a watch lasts until `end_watches`;
- history across a `compact()`: a watch from an older version gets 410, as from a real server.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml
from aiohttp import web

from autoscaler.kube.client import Kube
from crds.notation.times import timestamp

Json = dict[str, Any]


@dataclass
class Fault:
    """What answers instead of the API. A hang holds the request until the client leaves."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    hang: bool = False
    drop: bool = False  # close the connection without an answer
    heard: bool = False  # after doing what was asked

    async def answer(self, request: web.Request) -> web.Response:
        if self.hang:
            await asyncio.Event().wait()
        if self.drop and request.transport is not None:
            request.transport.close()
        return web.Response(status=self.status, body=self.body, content_type=self.content_type)


HTML = Fault(500, b"<html><body>Bad gateway</body></html>", "text/html")
EMPTY = Fault(200, b"")
HANG = Fault(hang=True)
DROP = Fault(drop=True)
LOST = Fault(drop=True, heard=True)
GONE = Fault(410, b'{"kind":"Status","code":410,"reason":"Expired","message":"too old resource version"}')


def status(code: int, reason: str, message: str = "") -> Fault:
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message or reason}
    return Fault(code, json.dumps(body).encode())


@dataclass
class FakeApi:
    now: Callable[[], float] = lambda: 1_700_000_000.0
    objects: dict[str, Json] = field(default_factory=dict)  # by path
    requests: list[str] = field(default_factory=list)  # "METHOD path?query"
    bodies: list[Json] = field(default_factory=list)
    faults: list[tuple[str, Fault]] = field(default_factory=list)  # each answers the next request that it is a part of
    standing: list[tuple[str, Fault]] = field(default_factory=list)  # these answer every one
    watching: int = 0

    def __post_init__(self) -> None:
        self.version = 100
        self.oldest = 0
        self._events: list[tuple[int, str, Json | None]] = []  # (version, collection, event)
        self._news = asyncio.Condition()
        self._uids = itertools.count(1)
        self._ends = 0  # raised to end all watches

    # -- what a test does by hand

    async def put(self, path: str, thing: Json) -> Json:
        """Create or change the object at a path."""
        kind = "MODIFIED" if path in self.objects else "ADDED"
        about = {
            "uid": f"uid-{next(self._uids)}",
            "creationTimestamp": timestamp(self.now()),
            **(self.objects.get(path) or {}).get("metadata", {}),
            **thing.get("metadata", {}),
            "name": path.rsplit("/", 1)[1],
            "resourceVersion": str(self.version + 1),
        }
        if "/namespaces/" in path:
            about["namespace"] = path.split("/namespaces/")[1].split("/", maxsplit=1)[0]
        self.objects[path] = {**thing, "metadata": about}
        await self._tell(path, kind)
        return self.objects[path]

    async def remove(self, path: str) -> None:
        """Delete the object at a path, as if by another hand."""
        await self._tell(path, "DELETED")
        del self.objects[path]

    async def bookmark(self, collection: str) -> None:
        """Send a bookmark to the watches of a collection."""
        self.version += 1
        about = {"metadata": {"resourceVersion": str(self.version)}}
        await self._publish(collection, {"type": "BOOKMARK", "object": about})

    async def say(self, collection: str, line: Json | bytes) -> None:
        """Send any line to the watches of a collection."""
        await self._publish(collection, line)

    async def end_watches(self) -> None:
        """End all watches cleanly."""
        async with self._news:
            self._ends += 1
            self._news.notify_all()

    def compact(self) -> None:
        """Forget the history: a watch from before gets 410."""
        self.oldest = self.version
        self._events.clear()

    # -- the API

    async def _tell(self, path: str, kind: str) -> None:
        self.version += 1
        self.objects[path]["metadata"]["resourceVersion"] = str(self.version)
        event = {"type": kind, "object": json.loads(json.dumps(self.objects[path]))}
        await self._publish(path.rsplit("/", 1)[0], event)

    async def _publish(self, collection: str, event: Any) -> None:
        async with self._news:
            self._events.append((self.version, collection, event))
            self._news.notify_all()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        call = f"{request.method} {unquote(request.path_qs)}"
        self.requests.append(call)
        for i, (part, fault) in enumerate(self.faults):
            if part in call:
                del self.faults[i]
                if fault.heard:
                    await self._do(request)
                return await fault.answer(request)
        for part, fault in self.standing:
            if part in call:
                return await fault.answer(request)
        return await self._do(request)

    async def _do(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else {}
        if body:
            self.bodies.append(body)
        match request.method:
            case "GET" if request.query.get("watch"):
                return await self._watch(request)
            case "GET":
                return self._get(request)
            case "POST":
                return await self._post(request.path, body)
            case "DELETE":
                return await self._delete(request.path, body)
            case "PATCH":
                return await self._patch(request.path, body)
        return web.json_response({"code": 405}, status=405)

    def _get(self, request: web.Request) -> web.Response:
        if request.path in self.objects:
            return web.json_response(self.objects[request.path])
        items = [
            thing
            for path, thing in sorted(self.objects.items())
            if self._within(path, request.path) and self._chosen(thing, request)
        ]
        if not items and not self._is_collection(request.path):
            return _refuse(404, "NotFound", request.path)
        page, start = int(request.query.get("limit", "500")), int(request.query.get("continue", "0"))
        about = {"resourceVersion": str(self.version)}
        if start + page < len(items):
            about["continue"] = str(start + page)
        return web.json_response({"kind": "List", "metadata": about, "items": items[start : start + page]})

    def _is_collection(self, path: str) -> bool:
        return path.rsplit("/", 1)[1] in ("pods", "jobs", "scalingpolicies", "events", "deployments")

    def _within(self, path: str, collection: str) -> bool:
        """A collection without a namespace covers them all."""
        root, plural = collection.rsplit("/", 1)
        return path.startswith(root) and path.rsplit("/", 2)[1] == plural

    def _chosen(self, thing: Json, request: web.Request) -> bool:
        held = thing["metadata"].get("labels") or {}
        for term in filter(None, request.query.get("labelSelector", "").split(",")):
            name, _, value = term.partition("=")
            if name not in held or (value and held[name] != value):
                return False
        return True

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        since = int(request.query["resourceVersion"])
        if since < self.oldest:
            return await GONE.answer(request)
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        sent, ends = 0, self._ends
        self.watching += 1
        try:
            while self._ends == ends:
                async with self._news:
                    while sent >= len(self._events) and self._ends == ends:
                        await self._news.wait()
                for version, collection, event in self._events[sent:]:
                    sent += 1
                    if version > since and self._within(f"{collection}/x", request.path) and self._told(event, request):
                        line = event if isinstance(event, bytes) else json.dumps(event).encode() + b"\n"
                        await answer.write(line)
        finally:
            self.watching -= 1
        return answer

    def _told(self, event: Any, request: web.Request) -> bool:
        known = isinstance(event, dict) and event.get("type") in ("ADDED", "MODIFIED", "DELETED")
        return not known or self._chosen(event["object"], request)

    async def _post(self, collection: str, body: Json) -> web.Response:
        path = f"{collection}/{body['metadata']['name']}"
        if path in self.objects:
            return _refuse(409, "AlreadyExists", path)
        return web.json_response(await self.put(path, body), status=201)

    async def _delete(self, path: str, body: Json) -> web.Response:
        if path not in self.objects:
            return _refuse(404, "NotFound", path)
        wanted = body.get("preconditions", {}).get("uid")
        if wanted and wanted != self.objects[path]["metadata"]["uid"]:
            return _refuse(409, "Conflict", path)
        await self.remove(path)
        return web.json_response({"kind": "Status", "status": "Success"})

    async def _patch(self, path: str, body: Json) -> web.Response:
        at = path.removesuffix("/status")
        if at not in self.objects:
            return _refuse(404, "NotFound", path)
        return web.json_response(await self.put(at, _merge(self.objects[at], body)))


def _merge(thing: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(thing) if isinstance(thing, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged


def _refuse(code: int, reason: str, path: str) -> web.Response:
    message = f"{path.rsplit('/', 1)[1]!r}: {reason}"
    return web.json_response({"kind": "Status", "code": code, "reason": reason, "message": message}, status=code)


@asynccontextmanager
async def serving(api: FakeApi) -> AsyncIterator[str]:
    """Serve on a free port; gives the URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.01, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def write_kubeconfig(path: Path, url: str) -> Path:
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "fake",
                "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
                "clusters": [{"name": "fake", "cluster": {"server": url}}],
                "users": [{"name": "fake", "user": {"token": "secret"}}],
            }
        )
    )
    return path


@asynccontextmanager
async def connected(api: FakeApi, folder: Path, timeout_seconds: float = 5.0) -> AsyncIterator[Kube]:
    """Serve the API and connect to it, as the controller would."""
    async with serving(api) as url:
        kube = await Kube.connect(write_kubeconfig(folder / "kubeconfig", url), timeout_seconds)
        try:
            yield kube
        finally:
            await kube.close()
