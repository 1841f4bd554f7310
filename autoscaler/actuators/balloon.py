"""The balloon actuator: keeps as many prepared nodes as the plan wants, and never more than the caps allow.

Bounded without any memory of its own: names are fixed per slot, so the API itself refuses a second Job for one, whether
after a crash or from a controller that runs twice. Nothing here raises for an API failure: replicas come anyway, later.
Not here: what a policy may have beside the caps (`bounds`), and whose turn it is at a cap (`claims`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from autoscaler.actuators import held
from autoscaler.actuators.admission import Admission
from autoscaler.actuators.base import Capabilities, Change, Refused
from autoscaler.actuators.bounds import Bounder, Bounds, Facts, Present
from autoscaler.actuators.claims import Claims, claimant, holder
from autoscaler.actuators.handover import Handovers
from autoscaler.actuators.jobs import Unseen, create_jobs, delete_jobs, outlived, served, sweep_jobs
from autoscaler.actuators.manifest import BalloonSettings, balloon_job, job_name
from autoscaler.actuators.podless import Podless
from autoscaler.actuators.rests import Rests
from autoscaler.actuators.shapes import BALLOON_JOB
from autoscaler.kube import collection
from autoscaler.kube.causes import last_warning
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import KubeError, Unavailable
from autoscaler.kube.objects import Key, Object, alive, deleting, ended, key
from autoscaler.kube.ours import BALLOON_PODS, BALLOONS
from autoscaler.kube.store import Store
from autoscaler.kube.watches import Watches
from crds.workload import Workload
from policies.balloons import Moves, count_awaited, count_wanted, plan_moves
from policies.model import Mode, Plan
from policies.supply import Rung, Supply, Unit

UNREADABLE_SECONDS = 120.0  # by then the pods are unknown as well if the API is away: it is the Jobs alone
_STALLED = (
    "replicas waited for a node although balloons had some that they could take, so balloons made way: see the Events of the "
    "pending pods, and check that their scheduler preempts pods of lower priority"
)


@dataclass(frozen=True, slots=True)
class _Turn:
    """What one turn of one policy is about."""

    workload: Workload
    wanted: int
    awaited: int
    bounds: Bounds
    refused: Refused | None
    stalled: int  # replicas that preempt no balloon
    now_seconds: float


class Balloons:
    """Makes and deletes balloon Jobs. Decides on the watched content, then lists afresh before it acts."""

    capabilities = Capabilities(Rung.IMAGE_READY, (BALLOON_JOB,))

    def __init__(self, kube: Kube, watches: Watches, settings: BalloonSettings) -> None:
        self._kube = kube
        self._watches = watches
        self._settings = settings
        self._unseen = Unseen()
        self._swept: set[str] = set()  # namespaces that have a policy, or had one whose balloons outlive it
        self._admission = Admission(kube)
        self._claims, self._rests, self._podless, self._handovers = Claims(), Rests(), Podless(), Handovers()
        self._bounder = Bounder(self._admission, self._claims, self._rests, settings)

    async def ensure(
        self,
        workload: Workload,
        template: Object | None,
        plan: Plan,
        supply: Supply | None,
        now_seconds: float,
        refused: Refused | None = None,
    ) -> Change:
        """Bring a workload to the plan's prepared nodes; none in mode Shadow. Never raises for the API or the template.

        Without a template, or where it cannot be held a place for, nothing is made or rolled, and what is there is still
        let go.
        """
        namespace = workload.namespace
        jobs = self._watches.jobs(namespace)
        prepares = workload.policy.max_prepared_nodes > 0
        if _unreadable(jobs, now_seconds):
            problem = f"the Jobs in namespace {namespace} cannot be read, so no node is prepared: {jobs.problem}"
            return Change(problem=problem, impossible=True) if prepares else Change()
        if not jobs.synced:
            return Change(problem=_unknown(namespace))
        wanted = 0 if workload.mode is Mode.SHADOW else count_wanted(plan, supply)
        wanted = min(wanted, workload.policy.max_prepared_nodes)
        facts = await self._bounder.read(namespace, now_seconds, quotas=wanted > 0) if prepares else Facts()
        impossible = self._bounder.impossible(workload, template, facts) if prepares else ""
        wanted = 0 if impossible else wanted
        need = None if workload.mode is Mode.SHADOW else self._bounder.need(workload, template, supply)
        self._claims.note(workload, wanted, need)
        self._handovers.note(claimant(workload), refused, now_seconds)
        if not wanted and not (any(map(alive, jobs)) if refused else self._jobs_of(workload, jobs)):
            return Change(problem=impossible, impossible=bool(impossible))
        stalled = self._stalled(workload, supply, now_seconds)
        await self._rest(workload, template, refused, stalled, now_seconds)
        bounds = self._bounds(workload, template, wanted, facts, now_seconds) if wanted else Bounds(problem=impossible)
        failed = held.failed_because(
            self._jobs_of(workload, jobs), self._watches.pods(namespace).matching(BALLOON_PODS)
        )
        turn = _Turn(workload, wanted, count_awaited(plan, supply), bounds, refused, stalled, now_seconds)
        moves, doomed = self._moves(turn, jobs)
        if not moves.create_slots and not doomed:
            return Change((), (), moves.refused, bounds.problem or failed, bool(impossible))
        try:
            fresh, _ = await self._kube.list_all(collection.jobs(namespace, BALLOONS))
        except KubeError as error:
            return Change(problem=str(error), impossible=bool(impossible))
        # Another policy may have taken the room meanwhile.
        bounds = self._bounds(workload, template, wanted, facts, now_seconds) if wanted else bounds
        moves, doomed = self._moves(replace(turn, bounds=bounds), fresh)
        new: list[Object] = (
            [balloon_job(workload, template, slot, self._settings) for slot in moves.create_slots] if template else []
        )
        self._unseen.expect(new, now_seconds)
        self._podless.made(map(key, new), now_seconds)
        released, trouble = await delete_jobs(self._kube, doomed)
        if refused is not None:
            self._handovers.made_way(claimant(workload), len(released))
        if trouble:
            self._unseen.forget(new)
        created, refusal = ((), "") if trouble else await self._create(workload, template, new, now_seconds)
        return Change(
            created, released, moves.refused, trouble or refusal or bounds.problem or failed, bool(impossible)
        )

    def observe(self, workload: Workload, now_seconds: float) -> tuple[Unit, ...] | None:
        """The balloons that are held for a workload; one that ended, is being deleted or gets no pod is none.

        Jobs that cannot be read for long are none either, so that decisions go on without balloons.
        """
        pods, jobs = self._watches.pods(workload.namespace), self._watches.jobs(workload.namespace)
        if _unreadable(jobs, now_seconds):
            return ()
        if not pods.current(now_seconds) or not jobs.current(now_seconds):
            return None
        stuck = self._stuck(workload.namespace, jobs, now_seconds)
        there = [job for job in self._jobs_of(workload, jobs) if alive(job) and key(job).name not in stuck]
        return held.units(there, pods.matching(BALLOON_PODS))

    async def release(self, now_seconds: float) -> Change:
        """Delete every balloon that no policy stands behind, found by label alone, and those that nothing has ended."""
        if not self._watches.policies.synced:
            return Change(problem="the ScalingPolicies have not been listed yet, so no balloon is deleted")
        self._claims.keep(self._watches.policies)
        self._bounder.prune(now_seconds)
        self._swept.update(self._watches.namespaces)
        change, empty = await sweep_jobs(self._kube, self._swept, BALLOONS, lambda job: self._stray(job, now_seconds))
        self._swept -= empty - set(self._watches.namespaces)
        return change

    def _stalled(self, workload: Workload, supply: Supply | None, now_seconds: float) -> int:
        held_units = self.observe(workload, now_seconds)
        placed = sum(unit.node is not None for unit in held_units or ())
        waiting = 0 if supply is None else min(supply.unplaced, placed)
        return self._handovers.stalled(claimant(workload), waiting, now_seconds)

    async def _rest(
        self,
        workload: Workload,
        template: Object | None,
        refused: Refused | None,
        stalled: int,
        now_seconds: float,
    ) -> None:
        """Make no balloon for a while where replicas are refused or preempt none, or where the last one got no pod."""
        namespace = workload.namespace
        if refused is not None:
            cause = f"{refused.sentence} Balloons made way for them, and none is created for a while."
            if refused.by_quota:
                self._rests.begin(namespace, cause, now_seconds)
            else:
                self._bounder.refused(workload, template, cause, now_seconds)
        if stalled:
            self._bounder.refused(workload, template, _STALLED, now_seconds)
        jobs = self._watches.jobs(namespace)
        stuck = self._stuck(namespace, jobs, now_seconds)
        for job in self._jobs_of(workload, jobs):
            if key(job).name in stuck:
                cause = held.without_pod_because(job, await last_warning(self._kube, job))
                self._bounder.refused(workload, template, cause, now_seconds)

    def _bounds(
        self, workload: Workload, template: Object | None, wanted: int, facts: Facts, now_seconds: float
    ) -> Bounds:
        behind = next((each for each in self._watches.namespaces if not self._watches.jobs(each).synced), None)
        if behind is not None:  # then the cluster-wide cap cannot be kept
            return Bounds(most=wanted, problem=_unknown(behind))
        namespace = workload.namespace
        jobs = self._everywhere(namespace, self._watches.jobs(namespace), now_seconds)
        here = tuple(job for job in jobs if key(job).namespace == namespace)
        own = sum(holder(job) == claimant(workload) for job in here)
        pods = self._watches.pods(namespace).matching(BALLOON_PODS)
        counted = tuple(pod for pod in pods if not ended(pod) and not deleting(pod))
        return self._bounder.of(workload, template, wanted, facts, Present(here, counted, own), now_seconds)

    def _moves(self, turn: _Turn, jobs: Iterable[Object]) -> tuple[Moves, list[Object]]:
        """What to do, and the Jobs that it deletes: the policy's own, and others that hold what its replicas are refused."""
        workload, bounds, now_seconds = turn.workload, turn.bounds, turn.now_seconds
        jobs = list(jobs)
        pods = self._watches.pods(workload.namespace).matching(BALLOON_PODS)
        own = self._jobs_of(workload, jobs)
        way = max(turn.stalled, self._handovers.wanted(claimant(workload), now_seconds))
        stuck = self._stuck(workload.namespace, jobs, now_seconds, at_once=way > 0)
        seen = held.read(own, pods, workload.uid, bounds.shape, stuck)
        share, room = self._share(workload, jobs, now_seconds)
        most = min(turn.wanted, bounds.most)
        moves = plan_moves(
            seen,
            min(most, share),
            turn.awaited,
            workload.policy.max_prepared_nodes,
            room if bounds.grows else None,
            now_seconds,
            refused_replicas=way,
        )
        if bounds.grows:
            moves = Moves(moves.delete, moves.create_slots, moves.refused + max(0, most - share))
        doomed = [own[at] for at in moves.delete]
        if turn.refused is not None and turn.refused.by_quota and way > sum(map(alive, own)):
            doomed += [job for job in jobs if holder(job) != claimant(workload) and alive(job)]
        return moves, doomed

    @staticmethod
    def _jobs_of(workload: Workload, jobs: Iterable[Object]) -> list[Object]:
        return [job for job in jobs if holder(job) == claimant(workload)]

    def _stuck(
        self, namespace: str, jobs: Iterable[Object], now_seconds: float, *, at_once: bool = False
    ) -> frozenset[str]:
        """Names of the Jobs that have had no pod for too long; with `at_once`, of all without one."""
        pods = self._watches.pods(namespace)
        if not pods.current(now_seconds):
            return frozenset()
        lacking = held.without_pod(jobs, pods.matching(BALLOON_PODS))
        return lacking if at_once else self._podless.stuck(namespace, lacking, now_seconds)

    def _everywhere(self, namespace: str, jobs: Iterable[Object], now_seconds: float) -> list[Object]:
        """The balloons that are held in the cluster; those of the namespace as given, and those that no watch shows yet."""
        watched = {key(job): job for each in self._watches.namespaces for job in self._watches.jobs(each) if alive(job)}
        unseen = {key(job): job for job in self._unseen.beside(watched, now_seconds)}
        elsewhere = {at: job for at, job in watched.items() if at.namespace != namespace}
        there = {key(job): job for job in jobs if alive(job)}
        return list((unseen | elsewhere | there).values())

    def _share(self, workload: Workload, jobs: Iterable[Object], now_seconds: float) -> tuple[int, int]:
        """How many balloons a workload should have under the caps, and how many it may have beside those of others."""
        caps = self._settings.max_balloons, self._settings.max_balloons_per_namespace
        there = self._everywhere(workload.namespace, jobs, now_seconds)
        share = self._claims.share(workload, there, *caps)
        slots = {Key(workload.namespace, job_name(workload, at)) for at in range(workload.policy.max_prepared_nodes)}
        others = [job for job in there if key(job) not in slots]
        here = sum(key(job).namespace == workload.namespace for job in others)
        return share, min(share, caps[0] - len(others), caps[1] - here)

    async def _create(
        self, workload: Workload, template: Object | None, new: list[Object], now_seconds: float
    ) -> tuple[tuple[str, ...], str]:
        created, stopped = await create_jobs(self._kube, new, self._unseen)
        if stopped is None:
            return created, ""
        if not isinstance(stopped.error, Unavailable):
            self._bounder.refused(workload, template, str(stopped.error), now_seconds)
        return created, str(stopped.error)

    def _stray(self, job: Object, now_seconds: float) -> bool:
        served_by = served(job, self._watches.policies)
        return served_by is None or outlived(job, self._settings.deadline_seconds, now_seconds)


def _unreadable(jobs: Store, now_seconds: float) -> bool:
    return jobs.stale_since is not None and now_seconds - jobs.stale_since > UNREADABLE_SECONDS


def _unknown(namespace: str) -> str:
    return f"the Jobs in namespace {namespace} have not been listed yet, so no balloon is created"
