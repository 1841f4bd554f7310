"""The Kubernetes API over HTTP: finds the resource and the verb of a request, and carries it out."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from replay.simcluster import failures, resources, tables, watches
from replay.simcluster.patch import merge
from replay.simcluster.resources import EVENTS, JOBS, SCALING_POLICIES, Json, Resource
from replay.simcluster.store import Store

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"  # equivalent for a Scale, which has no lists


class Backend(Protocol):
    """The controllers of the cluster, which carry out what the API is asked to do."""

    def now(self) -> float:
        """Scenario time in Unix seconds."""

    def sync(self) -> None:
        """Bring the store up to the present."""

    def create_job(self, namespace: str, body: Json) -> Json:
        """Create a Job; returns the stored object."""

    def delete_job(self, namespace: str, name: str) -> None:
        """Delete a Job and its pod."""

    def create_event(self, namespace: str, body: Json) -> Json:
        """Create an Event; returns the stored object."""

    def delete_policy(self, namespace: str, name: str) -> None:
        """Delete a ScalingPolicy and everything it owns."""

    def scale(self, namespace: str, name: str, replicas: int) -> None:
        """Set `spec.replicas` of a Deployment."""


@dataclass(frozen=True)
class Route:
    """A parsed request path."""

    resource: Resource
    namespace: str | None
    name: str | None
    subresource: str | None


def route(path: str) -> Route | None:
    """Parse `/apis/GROUP/VERSION[/namespaces/NS]/PLURAL[/NAME[/SUBRESOURCE]]`; None where nothing is served."""
    match path.strip("/").split("/"):
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            return None
    namespace = None
    if len(rest) >= 3 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    if not 1 <= len(rest) <= 3:
        return None
    plural, name, subresource = (*rest, None, None)[:3]
    resource = resources.find(group, version, plural or "")
    if resource is None or (subresource is not None and subresource not in resource.subresources):
        return None
    if (name is not None or namespace is not None) and (namespace is not None) != resource.namespaced:
        return None
    return Route(resource, namespace, name, subresource)


def verb_of(method: str, asked: Route, query: dict[str, str]) -> str:
    """The API verb of a request."""
    if method == "GET":
        if asked.name is not None:
            return "get"
        return "watch" if query.get("watch") in {"1", "true"} else "list"
    named = {"PATCH": "patch", "DELETE": "delete", "PUT": "update"}
    whole = {"POST": "create", "DELETE": "deletecollection"}
    return (named if asked.name is not None else whole).get(method, "none")


class Api:
    """The request handlers. `state` is served at `/demo/state`, beside the API."""

    def __init__(self, store: Store, backend: Backend, state: Callable[[], Json]) -> None:
        self._store = store
        self._backend = backend
        self._state = state

    def application(self) -> web.Application:
        """The aiohttp application, which answers every path."""
        application = web.Application(middlewares=[_statuses], client_max_size=3 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._handle)
        application.on_shutdown.append(self._end_watches)
        return application

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self._backend.sync()
        if request.method == "GET":
            document = self._document(request.path)
            if document is not None:
                return web.json_response(document)
        asked = route(request.path)
        if asked is None:
            if not resources.serves(request.path):
                return web.Response(status=404, text="404 page not found\n")
            raise failures.unknown_resource()
        query = dict(request.query)
        verb = verb_of(request.method, asked, query)
        verbs = asked.resource.subresources[asked.subresource] if asked.subresource else asked.resource.verbs
        if verb not in verbs or (verb == "create" and asked.namespace is None):
            raise failures.method_not_allowed()
        if "dryRun" in query and verb in {"create", "delete", "patch"}:
            raise failures.bad_request("the simulated cluster does not support dryRun")
        if verb == "watch":
            collection = watches.Collection.of(asked.resource, asked.namespace, query)
            return await watches.watch(request, self._store, collection, query, self._form(request, asked))
        if verb == "list":
            collection = watches.Collection.of(asked.resource, asked.namespace, query)
            return web.json_response(self._form(request, asked)(watches.listing(self._store, collection, query)))
        act = {"get": self._get, "create": self._create, "delete": self._delete, "patch": self._patch}[verb]
        return await act(request, asked)

    def _document(self, path: str) -> Json | None:
        match path.strip("/").split("/"):
            case ["demo", "state"]:
                return self._state()
            case ["api"]:
                return {"kind": "APIVersions", "versions": ["v1"]}
            case ["apis"]:
                return resources.group_list()
            case ["api", version]:
                return resources.resource_list("", version)
            case ["apis", group, version]:
                return resources.resource_list(group, version)
        return None

    async def _end_watches(self, _: web.Application) -> None:
        self._store.close()

    def _form(self, request: web.Request, asked: Route) -> Callable[[Json], Json]:
        """How the client wants to read an object or a list: as it is, or as a table."""
        if asked.subresource is None and tables.asked(request.headers.get("Accept", "")):
            return lambda held: tables.table(asked.resource, held, self._backend.now())
        return lambda held: held

    async def _get(self, request: web.Request, asked: Route) -> web.Response:
        held = self._existing(asked)
        return web.json_response(scale_of(held) if asked.subresource == "scale" else self._form(request, asked)(held))

    async def _create(self, request: web.Request, asked: Route) -> web.Response:
        namespace = asked.namespace or ""
        body = await _body(request, "application/json")
        _check_kind(body, asked.resource, namespace)
        create = {JOBS: self._backend.create_job, EVENTS: self._backend.create_event}[asked.resource]
        return web.json_response(create(namespace, body), status=201)

    async def _delete(self, request: web.Request, asked: Route) -> web.Response:
        options = await _body(request, "application/json") if request.body_exists else {}
        held = self._existing(asked)
        namespace, name, uid = asked.namespace or "", asked.name or "", held["metadata"]["uid"]
        default = "Orphan" if asked.resource is JOBS else "Background"
        policy = options.get("propagationPolicy") or request.query.get("propagationPolicy") or default
        if policy != "Background":
            raise failures.bad_request(
                f"the simulated cluster does not support propagationPolicy {policy}; use Background"
            )
        expected = (options.get("preconditions") or {}).get("uid")
        if expected is not None and expected != uid:
            why = f"Precondition failed: UID in precondition: {expected}, UID in object meta: {uid}"
            raise failures.conflict(asked.resource, name, why)
        {JOBS: self._backend.delete_job, SCALING_POLICIES: self._backend.delete_policy}[asked.resource](namespace, name)
        details = {"name": name, "group": asked.resource.group, "kind": asked.resource.plural, "uid": uid}
        success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        return web.json_response(success)

    async def _patch(self, request: web.Request, asked: Route) -> web.Response:
        accepted = (MERGE_PATCH, STRATEGIC_PATCH) if asked.subresource == "scale" else (MERGE_PATCH,)
        change = await _body(request, *accepted)
        held = self._existing(asked)
        expected = (change.get("metadata") or {}).get("resourceVersion")
        if expected not in {None, held["metadata"]["resourceVersion"]}:
            raise failures.conflict(
                asked.resource,
                asked.name or "",
                "the object has been modified; please apply your changes to the latest version and try again",
            )
        if asked.subresource == "scale":
            replicas = replicas_of(merge(scale_of(held), change), asked.name or "")
            self._backend.scale(asked.namespace or "", asked.name or "", replicas)
            return web.json_response(scale_of(self._existing(asked)))
        patched = merge(held, change)
        if asked.subresource == "status":
            new = {**held, "status": patched.get("status", {})}
        else:
            metadata = {
                **held["metadata"],
                **{k: v for k, v in patched["metadata"].items() if k in {"labels", "annotations"}},
            }
            if patched.get("spec") != held.get("spec"):
                metadata["generation"] += 1
            new = {**held, "metadata": metadata, "spec": patched.get("spec", {})}
        return web.json_response(self._store.put(asked.resource, new))

    def _existing(self, asked: Route) -> Json:
        held = self._store.get(asked.resource, asked.namespace or "", asked.name or "")
        if held is None:
            raise failures.not_found(asked.resource, asked.name or "")
        return held


def scale_of(deployment: Json) -> Json:
    """The Scale of a Deployment. Like the real API, it omits `spec.replicas` if it is 0."""
    metadata = deployment["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    replicas = deployment["spec"]["replicas"]
    labels = deployment["spec"]["selector"]["matchLabels"]
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in kept},
        "spec": {"replicas": replicas} if replicas else {},
        "status": {
            "replicas": deployment["status"].get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }


def replicas_of(scale: Json, name: str) -> int:
    """`spec.replicas` of a Scale; raises `ApiError` 422 if it is negative or not an integer."""
    replicas = scale["spec"].get("replicas", 0) if isinstance(scale["spec"], dict) else None
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        cause = failures.invalid_value("patch", json.dumps(scale), "replicas is not a whole number")
        raise failures.invalid("", "", "", [cause])
    if replicas < 0:
        cause = failures.invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")
        raise failures.invalid("autoscaling", "Scale", name, [cause])
    return replicas


def _check_kind(body: Json, resource: Resource, namespace: str) -> None:
    kind, api_version = body.get("kind", resource.kind), body.get("apiVersion", resource.api_version)
    if (kind, api_version) != (resource.kind, resource.api_version):
        raise failures.bad_request(
            f"{kind} in version {api_version} cannot be handled as a {resource.kind} in version {resource.api_version}"
        )
    metadata = body.get("metadata", {})
    if not isinstance(metadata, dict):
        raise failures.bad_request("metadata must be an object")
    if metadata.get("namespace", namespace) != namespace:
        raise failures.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


async def _body(request: web.Request, *accepted: str) -> Json:
    if request.content_type not in accepted:
        raise failures.unsupported_media_type(request.content_type, ", ".join(accepted))
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise failures.bad_request(f"the request body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise failures.bad_request("the request body is not a JSON object")
    return body


@web.middleware
async def _statuses(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except failures.ApiError as error:
        return web.json_response(error.status, status=error.code)
