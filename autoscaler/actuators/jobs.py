"""Makes, deletes and sweeps the Jobs of an actuator. Nothing here raises for an API failure: it gives what stopped the rest."""

from collections.abc import Callable, Container, Iterable, Sequence
from typing import NamedTuple

from autoscaler.actuators.base import Change
from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import Conflict, KubeError, NotFound, Unavailable
from autoscaler.kube.objects import Key, Object, created_seconds, deleting, key, owned_by, uid
from policies.model import Mode

UNSEEN_SECONDS = 60.0  # a Job that we made counts so long before the watch has shown it
LATE_SECONDS = 60.0  # a Job this far past its deadline has a dead Job controller


class Unseen:
    """Jobs that were made, or may have been, and that no watch has shown yet: they count at the limits."""

    def __init__(self) -> None:
        self._jobs: dict[Key, tuple[Object, float]] = {}

    def expect(self, jobs: Iterable[Object], now_seconds: float) -> None:
        """Count these from now on; before the first call, so that nothing else takes their places meanwhile."""
        self._jobs |= {key(job): (job, now_seconds + UNSEEN_SECONDS) for job in jobs}

    def forget(self, jobs: Iterable[Object]) -> None:
        """These were not made after all."""
        for job in jobs:
            self._jobs.pop(key(job), None)

    def beside(self, watched: Container[Key], now_seconds: float) -> list[Object]:
        """Those that count beside the watched ones."""
        self._jobs = {
            at: (job, until) for at, (job, until) in self._jobs.items() if at not in watched and until > now_seconds
        }
        return [job for job, _ in self._jobs.values()]


class Stopped(NamedTuple):
    """The Job that could not be created, and why."""

    job: Object
    error: KubeError


async def create_jobs(kube: Kube, jobs: Sequence[Object], unseen: Unseen) -> tuple[tuple[str, ...], Stopped | None]:
    """The names of those that were created, and what stopped the rest, which is forgotten as `unseen`."""
    done: list[str] = []
    for at, job in enumerate(jobs):
        try:
            await kube.create(collection.jobs(key(job).namespace).path, job)
            done.append(key(job).name)
        except Conflict:  # it exists
            pass
        except KubeError as error:
            may_exist = isinstance(error, Unavailable)
            unseen.forget(jobs[at + may_exist :])
            return tuple(done), Stopped(job, error)
    return tuple(done), None


async def delete_jobs(kube: Kube, jobs: Iterable[Object]) -> tuple[tuple[str, ...], str]:
    """The names of those that were deleted, each while it is still the one that was seen; and what stopped the rest, else empty."""
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


async def sweep_jobs(
    kube: Kube, namespaces: Iterable[str], labelled: str, stray: Callable[[Object], bool]
) -> tuple[Change, set[str]]:
    """Delete what is stray in some namespaces, found by label alone. Gives the namespaces that have no such Job as well."""
    released: list[str] = []
    problems: list[str] = []
    empty: set[str] = set()
    for namespace in sorted(namespaces):
        try:
            found, _ = await kube.list_all(collection.jobs(namespace, labelled))
        except KubeError as error:
            problems.append(str(error))
            continue
        if not found:
            empty.add(namespace)
        gone, trouble = await delete_jobs(kube, filter(stray, found))
        released += gone
        problems += [trouble] if trouble else []
    return Change(released=tuple(released), problem="; ".join(problems)), empty


def served(job: Object, policies: Iterable[Object]) -> Object | None:
    """The spec of the policy that a Job serves; None where there is none, or it goes or is in mode Shadow."""
    owner = next((each for each in policies if owned_by(job, uid(each)) and not deleting(each)), None)
    spec: Object = (owner or {}).get("spec") or {}
    return None if owner is None or spec.get("mode") == Mode.SHADOW else spec


def outlived(job: Object, deadline_seconds: int, now_seconds: float) -> bool:
    """Whether a Job is past its deadline, and nothing has ended it."""
    age_seconds = now_seconds - (created_seconds(job) or now_seconds)
    return age_seconds > deadline_seconds + LATE_SECONDS
