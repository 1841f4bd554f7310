"""The balloon actuator: keeps as many prepared nodes as the plan wants, and never more than the caps allow.

Bounded without any memory of its own: names are fixed per slot, so the API itself refuses a second Job for one, whether
after a crash or from a controller that runs twice. Nothing here raises for an API failure: replicas come anyway, later.
"""

from collections.abc import Iterable

from autoscaler.actuators import held
from autoscaler.actuators.base import Capabilities, Change
from autoscaler.actuators.manifest import BalloonSettings, NoBalloonError, balloon_job, job_name, shape
from autoscaler.actuators.shapes import BALLOON_JOB
from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import Conflict, KubeError, NotFound, Unavailable
from autoscaler.kube.objects import Key, Object, alive, created_seconds, deleting, key, labels, owned_by, uid
from autoscaler.kube.ours import BALLOON_PODS, BALLOONS, POLICY, policy_label
from autoscaler.kube.watches import Watches
from crds.workload import Workload
from policies.balloons import Moves, count_awaited, plan_moves
from policies.model import Mode, Plan
from policies.supply import Rung, Supply, Unit

UNSEEN_SECONDS = 60.0  # a balloon that we made counts so long before the watch has shown it
LATE_SECONDS = 60.0  # a Job this far past its deadline has a dead Job controller
_NO_TEMPLATE = "the target's pod template has not been read, so no balloon is created: see the policy's Ready condition"


class Balloons:
    """Makes and deletes balloon Jobs. Decides on the watched content, then lists afresh before it acts."""

    capabilities = Capabilities(Rung.IMAGE_READY, (BALLOON_JOB,))

    def __init__(self, kube: Kube, watches: Watches, settings: BalloonSettings) -> None:
        self._kube = kube
        self._watches = watches
        self._settings = settings
        self._unseen: dict[Key, float] = {}  # balloons that we made, until when they count unseen
        self._swept: set[str] = set()  # namespaces that ever had a policy: its balloons may outlive it

    async def ensure(
        self, workload: Workload, template: Object | None, plan: Plan, supply: Supply | None, now_seconds: float
    ) -> Change:
        """Bring a workload to the plan's prepared nodes; none in mode Shadow. Never raises for the API or the template.

        Without a template, or where it cannot be held a place for, nothing is made or rolled, and what is there is still
        let go.
        """
        jobs = self._watches.jobs(workload.namespace)
        if not jobs.synced:
            return Change(problem=_unknown(workload.namespace))
        wanted = 0 if workload.mode is Mode.SHADOW else plan.echelon(self.capabilities.rung).count
        awaited = count_awaited(plan, supply)
        made_of, problem = self._shape(workload, template) if wanted else (None, "")
        moves, _ = self._moves(workload, jobs, made_of, wanted, awaited, now_seconds)
        if not moves:
            return Change(refused=moves.refused, problem=problem)
        try:
            fresh, _ = await self._kube.list_all(collection.jobs(workload.namespace, BALLOONS))
        except KubeError as error:
            return Change(problem=str(error))
        moves, doomed = self._moves(workload, fresh, made_of, wanted, awaited, now_seconds)
        new: list[Object] = (
            [balloon_job(workload, template, slot, self._settings) for slot in moves.create_slots] if template else []
        )
        # Before the first call, so that no other workload takes the places meanwhile.
        self._unseen |= {key(each): now_seconds + UNSEEN_SECONDS for each in new}
        released, trouble = await self._delete(doomed)
        created, refusal = await self._create([] if trouble else new)
        return Change(created, released, moves.refused, trouble or refusal or problem)

    def observe(self, workload: Workload, now_seconds: float) -> tuple[Unit, ...] | None:
        """The balloons that are held for a workload; one that ended or is being deleted is none."""
        pods, jobs = self._watches.pods(workload.namespace), self._watches.jobs(workload.namespace)
        if not pods.current(now_seconds) or not jobs.current(now_seconds):
            return None
        alive_jobs = [job for job in self._jobs_of(workload, jobs) if alive(job)]
        return held.units(alive_jobs, pods.matching(BALLOON_PODS))

    async def release(self, now_seconds: float) -> Change:
        """Delete every balloon that no policy stands behind, found by label alone, and those that nothing has ended."""
        if not self._watches.policies.synced:
            return Change(problem="the ScalingPolicies have not been listed yet, so no balloon is deleted")
        self._swept.update(self._watches.namespaces)
        released: list[str] = []
        problems: list[str] = []
        for namespace in sorted(self._swept):
            try:
                found, _ = await self._kube.list_all(collection.jobs(namespace, BALLOONS))
            except KubeError as error:
                problems.append(str(error))
                continue
            gone, trouble = await self._delete(job for job in found if self._stray(job, now_seconds))
            released += gone
            problems += [trouble] if trouble else []
        return Change(released=tuple(released), problem="; ".join(problems))

    def _shape(self, workload: Workload, template: Object | None) -> tuple[str | None, str]:
        if template is None:
            return None, _NO_TEMPLATE
        behind = next((each for each in self._watches.namespaces if not self._watches.jobs(each).synced), None)
        if behind is not None:  # then the cluster-wide cap cannot be kept
            return None, _unknown(behind)
        try:
            return shape(workload, template, self._settings), ""
        except NoBalloonError as error:
            return None, str(error)

    def _moves(
        self,
        workload: Workload,
        jobs: Iterable[Object],
        made_of: str | None,
        wanted: int,
        awaited: int,
        now_seconds: float,
    ) -> tuple[Moves, list[Object]]:
        """What to do, and the Jobs that it deletes."""
        pods = self._watches.pods(workload.namespace).matching(BALLOON_PODS)
        jobs = list(jobs)
        own = self._jobs_of(workload, jobs)
        room = self._room(workload, jobs, now_seconds) if made_of else None
        seen = held.read(own, pods, workload.uid, made_of)
        moves = plan_moves(seen, wanted, awaited, workload.policy.max_prepared_nodes, room, now_seconds)
        return moves, [own[at] for at in moves.delete]

    @staticmethod
    def _jobs_of(workload: Workload, jobs: Iterable[Object]) -> list[Object]:
        label = policy_label(workload.name)
        return [job for job in jobs if labels(job).get(POLICY) == label]

    def _room(self, workload: Workload, jobs: list[Object], now_seconds: float) -> int:
        """How many balloons this workload may have under the cluster-wide cap, given those of all others."""
        there = {key(job) for job in jobs if alive(job)}
        watched: set[Key] = set()
        for namespace in self._watches.namespaces:
            watched |= {key(job) for job in self._watches.jobs(namespace) if alive(job)}
        self._unseen = {at: until for at, until in self._unseen.items() if at not in watched and until > now_seconds}
        elsewhere = {at for at in watched if at[0] != workload.namespace}
        own = {Key(workload.namespace, job_name(workload, slot)) for slot in range(workload.policy.max_prepared_nodes)}
        return self._settings.max_balloons - len((there | elsewhere | set(self._unseen)) - own)

    async def _delete(self, jobs: Iterable[Object]) -> tuple[tuple[str, ...], str]:
        done: list[str] = []
        for job in jobs:
            namespace, name = key(job)
            try:
                await self._kube.delete(collection.jobs(namespace).item(namespace, name), uid(job))
                done.append(name)
            except (NotFound, Conflict):  # gone, or another one by now
                pass
            except KubeError as error:
                return tuple(done), str(error)
        return tuple(done), ""

    async def _create(self, new: list[Object]) -> tuple[tuple[str, ...], str]:
        done: list[str] = []
        for each in new:
            try:
                await self._kube.create(collection.jobs(key(each)[0]).path, each)
                done.append(key(each)[1])
            except Conflict:  # it exists: the slot is held
                pass
            except KubeError as error:
                if not isinstance(error, Unavailable):  # else it may have been made
                    del self._unseen[key(each)]
                return tuple(done), str(error)
        return tuple(done), ""

    def _stray(self, job: Object, now_seconds: float) -> bool:
        owner = next((each for each in self._watches.policies if owned_by(job, uid(each)) and not deleting(each)), None)
        if owner is None or (owner.get("spec") or {}).get("mode") == Mode.SHADOW:
            return True
        age_seconds = now_seconds - (created_seconds(job) or now_seconds)
        return age_seconds > self._settings.deadline_seconds + LATE_SECONDS


def _unknown(namespace: str) -> str:
    return f"the Jobs in namespace {namespace} have not been listed yet, so no balloon is created"
