"""The simulated cluster's API server on real HTTP, with faults, for tests of the client, the reflector and the balloons.

What it serves and refuses is `replay.simcluster`'s own, which the contract in tests/replay/simcluster/test_api.py holds to a
real API server. What it does not do, beside what is said there:
- controllers: no pod appears for a Job, no Deployment scales, nothing is garbage-collected, no deadline or ttl passes. A test
  writes `objects` by hand;
- end a watch without `end_watches`, but in the time that the client asks for.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote

import yaml
from aiohttp import web

from autoscaler.kube.client import Kube
from replay.simcluster import failures
from replay.simcluster.admission import Admission
from replay.simcluster.api import Api
from replay.simcluster.resources import JOBS, SCALING_POLICIES
from replay.simcluster.server import Server
from replay.simcluster.store import Store
from tests.support.objects import Objects

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


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
GONE = Fault(410, json.dumps(failures.expired(1, 2).status).encode())


def status(code: int, reason: str, message: str = "") -> Fault:
    return Fault(code, json.dumps(failures.ApiError(code, reason, message or reason).status).encode())


def answer(body: Json) -> Fault:
    """200 with this object, of a resource that the simulated cluster does not serve, or in a form of no Deployment."""
    return Fault(200, json.dumps(body).encode())


class FakeApi:
    """An API server, and what everyone else in the cluster does to it."""

    def __init__(self, now: Callable[[], float] = lambda: 1_700_000_000.0) -> None:
        self.now = now
        self.store = Store()
        self._admission = Admission(self.store, self._present)
        self.objects = Objects(self.store, self._present)
        self.requests: list[str] = []  # "METHOD path?query"
        self.headers: list[Mapping[str, str]] = []
        self.bodies: list[Json] = []
        self.faults: list[tuple[str, Fault]] = []  # each answers the next request that it is a part of
        self.standing: list[tuple[str, Fault]] = []  # these answer every one
        self._watches: dict[int, tuple[str, web.StreamResponse]] = {}  # by the request's id: its path, and what is sent
        self._end = asyncio.Event()  # of the watches that are open

    def _present(self) -> float:
        return self.now()  # a test may set another clock

    # -- what a test does by hand

    @property
    def watching(self) -> int:
        """How many watches are open."""
        return len(self._watches)

    async def put(self, path: str, thing: Json) -> Json:
        """Create or change the object at a path."""
        return self.objects.put(path, thing)

    async def remove(self, path: str) -> None:
        """Delete the object at a path, as another client would."""
        self.objects.remove(path)

    async def bookmark(self, collection: str) -> None:
        """Send a bookmark of a newer version to the watches of a collection."""
        self.store.version += 1
        about = {"metadata": {"resourceVersion": str(self.store.version)}}
        await self.say(collection, json.dumps({"type": "BOOKMARK", "object": about}).encode() + b"\n")

    async def say(self, collection: str, line: bytes) -> None:
        """Send any line to the watches of a collection."""
        for path, response in list(self._watches.values()):
            if path == collection:
                await response.write(line)

    async def end_watches(self) -> None:
        """End all watches cleanly."""
        self._end.set()
        self._end = asyncio.Event()

    def compact(self) -> None:
        """Forget the history: an earlier watch gets 410, its version is too old."""
        self.store._changes.clear()
        self.store._oldest = self.store.version

    # -- what controllers do

    def sync(self) -> None:
        """Nothing happens by itself."""

    def create_job(self, namespace: str, body: Json) -> Json:
        return self._admission.job(namespace, body)

    def create_event(self, namespace: str, body: Json) -> Json:
        return self._admission.event(namespace, body)

    def delete_job(self, namespace: str, name: str) -> None:
        self.store.remove(JOBS, namespace, name)

    def delete_policy(self, namespace: str, name: str) -> None:
        self.store.remove(SCALING_POLICIES, namespace, name)

    def scale(self, namespace: str, name: str, replicas: int) -> None:
        raise failures.method_not_allowed()

    # -- the server

    def application(self) -> web.Application:
        """What `replay.simcluster` serves, behind the faults."""
        application = Api(self.store, self, dict).application()
        application.middlewares.append(self._intercept)
        application.on_response_prepare.append(self._opened)
        return application

    @web.middleware
    async def _intercept(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        call = f"{request.method} {unquote(request.path_qs)}"
        self.requests.append(call)
        self.headers.append(request.headers)
        if request.can_read_body:
            self.bodies.append(await request.json())
        fault = self._fault(call)
        if fault is None:
            return await self._watch(request, handler) if "watch" in request.query else await handler(request)
        if fault.heard:
            await handler(request)
        return await fault.answer(request)

    def _fault(self, call: str) -> Fault | None:
        for i, (part, fault) in enumerate(self.faults):
            if part in call:
                del self.faults[i]
                return fault
        return next((fault for part, fault in self.standing if part in call), None)

    async def _opened(self, request: web.Request, response: web.StreamResponse) -> None:
        if "watch" in request.query and response.status == 200:
            self._watches[id(request)] = request.path, response

    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        work, end = asyncio.ensure_future(handler(request)), asyncio.create_task(self._end.wait())
        try:
            await asyncio.wait((work, end), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            _, response = self._watches[id(request)]
            await response.write_eof()
            return response
        finally:
            work.cancel()
            end.cancel()
            self._watches.pop(id(request), None)


@asynccontextmanager
async def serving(api: FakeApi) -> AsyncIterator[str]:
    """Serve on a free port; gives the URL."""
    server = Server(api.application(), 0)
    try:
        yield await server.start()
    finally:
        await server.stop()


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
        # HTTP needs none of the machine's certificate authorities, which take 15 ms to read.
        with patch.dict(os.environ, SSL_CERT_FILE=os.devnull):
            kube = await Kube.connect(write_kubeconfig(folder / "kubeconfig", url), timeout_seconds)
        try:
            yield kube
        finally:
            await kube.close()
