"""Takes Jobs and Events in as an API server does: checked, defaulted, named and stored."""

from collections import deque
from collections.abc import Callable

from crds.notation.timestamps import timestamp
from replay.simcluster import failures, jobs, objects
from replay.simcluster.resources import EVENTS, JOBS, PRIORITY_CLASSES, Json
from replay.simcluster.store import Store

EVENTS_KEPT = 1000
BALLOON_CLASS: Json = {
    "apiVersion": "scheduling.k8s.io/v1",
    "kind": "PriorityClass",
    "metadata": {"name": "outrider-balloon"},
    "value": -5,
    "preemptionPolicy": "Never",
}


class Admission:
    """What is created through the API. `now` gives the creation times, in Unix seconds."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._events: deque[tuple[str, str]] = deque()
        store.put(PRIORITY_CLASSES, BALLOON_CLASS)

    def job(self, namespace: str, body: Json) -> Json:
        """Store a Job; the stored object. Raises `ApiError` 400, 409 or 422."""
        admitted = jobs.admit(body)
        metadata = self._metadata(namespace, admitted["metadata"], "Job")
        name = metadata["name"]
        if self._store.get(JOBS, namespace, name) is not None:
            raise failures.already_exists(JOBS, name)
        controller = {"batch.kubernetes.io/controller-uid": metadata["uid"]}
        template = admitted["spec"]["template"]
        labels = {
            **(template["metadata"].get("labels") or {}),
            **controller,
            "batch.kubernetes.io/job-name": name,
            "controller-uid": metadata["uid"],
            "job-name": name,
        }
        template = {**template, "metadata": {**template["metadata"], "labels": labels}}
        spec = {**admitted["spec"], "selector": {"matchLabels": controller}, "template": template}
        return self._store.put(
            JOBS, {**admitted, "metadata": {**metadata, "generation": 1}, "spec": spec, "status": {}}
        )

    def event(self, namespace: str, body: Json) -> Json:
        """Store an Event; the oldest of more than a thousand goes. Raises `ApiError` 409 or 422."""
        if (body.get("involvedObject") or {}).get("namespace", "default") != namespace:
            cause = failures.invalid_value("involvedObject.namespace", namespace, "does not match event.namespace")
            raise failures.invalid("", "Event", (body.get("metadata") or {}).get("name", ""), [cause])
        metadata = self._metadata(namespace, body.get("metadata") or {}, "Event")
        if self._store.get(EVENTS, namespace, metadata["name"]) is not None:
            raise failures.already_exists(EVENTS, metadata["name"])
        stored = self._store.put(EVENTS, {**body, "kind": "Event", "apiVersion": "v1", "metadata": metadata})
        self._events.append((namespace, metadata["name"]))
        if len(self._events) > EVENTS_KEPT:
            self._store.remove(EVENTS, *self._events.popleft())
        return stored

    def _metadata(self, namespace: str, given: Json, kind: str) -> Json:
        name = given.get("name") or ""
        if not name:
            stem = given.get("generateName") or ""
            if not stem:
                cause = failures.required("metadata.name", "name or generateName is required")
                raise failures.invalid("", kind, "", [cause])
            name = stem + objects.suffix(kind, stem, self._store.version)
        created = timestamp(self._now())
        uid = objects.uid(kind, namespace, name, self._store.version)
        return {**given, "name": name, "namespace": namespace, "uid": uid, "creationTimestamp": created}
