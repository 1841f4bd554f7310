"""Deletes Jobs that an actuator made, each only while it is still the one that was seen."""

from collections.abc import Iterable

from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import Conflict, KubeError, NotFound
from autoscaler.kube.objects import Object, key, uid


async def delete_jobs(kube: Kube, jobs: Iterable[Object]) -> tuple[tuple[str, ...], str]:
    """The names of those that were deleted, and what stopped the rest; empty if nothing did."""
    done: list[str] = []
    for job in jobs:
        namespace, name = key(job)
        try:
            await kube.delete(collection.jobs(namespace).item(namespace, name), uid(job))
            done.append(name)
        except (NotFound, Conflict):  # gone, or another one by now
            pass
        except KubeError as error:
            return tuple(done), str(error)
    return tuple(done), ""
