"""Holds standby nodes by Jobs in Outrider's own namespace: as many of each offering as the pool's plan claims.

Bounded without any memory of its own, as balloons are: names are fixed per slot, so the API itself refuses a second Job for one.
Nothing here raises for an API failure: a member's replica comes anyway, later.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from autoscaler.actuators import held
from autoscaler.actuators.base import Capabilities, Change
from autoscaler.actuators.jobs import Unseen, create_jobs, delete_jobs, outlived, sweep_jobs
from autoscaler.actuators.podless import Podless
from autoscaler.actuators.rests import Rests
from autoscaler.actuators.shapes import STANDBY_JOB
from autoscaler.actuators.standby.handovers import Handovers
from autoscaler.actuators.standby.manifest import HoldSettings, shape, standby_job
from autoscaler.actuators.standby.units import Sight, leaving_jobs, of_offering, of_pool, owned, placed, units
from autoscaler.actuators.standby.watches import StandbyWatches
from autoscaler.kube import collection
from autoscaler.kube.causes import last_warning
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import KubeError, Unavailable
from autoscaler.kube.objects import Object, key, labels, metadata, uid
from autoscaler.kube.ours import OFFERING, SHAPE, STANDBY, STANDBYS
from autoscaler.kube.store import Store
from crds.pool import GpuPool, OfferingAt
from policies.balloons import Moves, plan_moves
from policies.pool import PoolPlan, StandbyUnit
from policies.supply import Rung

_WHAT, _NONE = "standby node", "standby.maxNodes"


@dataclass(frozen=True, slots=True)
class _Part:
    """What is to be done for one offering: the moves, and the Jobs that they are about."""

    offering: OfferingAt
    moves: Moves
    jobs: Sequence[Object]


@dataclass(frozen=True, slots=True)
class _Turn:
    """What is to be done."""

    parts: Sequence[_Part]
    orphans: Sequence[Object]  # Jobs of no offering whose nodes Jobs hold

    def __bool__(self) -> bool:
        return bool(self.orphans) or any(part.moves for part in self.parts)

    @property
    def doomed(self) -> list[Object]:
        """The Jobs to delete."""
        return [*self.orphans, *(part.jobs[at] for part in self.parts for at in part.moves.delete)]


class StandbyJobs:
    """Makes and deletes the Jobs of all pools. `pools` gives the uids of those that there are; None: not known yet."""

    capabilities = Capabilities(Rung.NODE_READY, (STANDBY_JOB,))

    def __init__(
        self,
        kube: Kube,
        own: StandbyWatches,
        nodes: Callable[[], Store],
        pools: Callable[[], Collection[str] | None],
        settings: HoldSettings,
        images: Callable[[GpuPool], Mapping[str, int]] = lambda _pool: {},
    ) -> None:
        self._kube = kube
        self._own = own
        self._nodes = nodes
        self._pools = pools
        self._settings = settings
        self._images = images
        self._unseen, self._podless, self._rests, self._handovers = Unseen(), Podless(), Rests(), Handovers()

    def observe(self, pool: GpuPool, now_seconds: float) -> tuple[StandbyUnit, ...] | None:
        """The nodes that are held or asked for; None where they are unknown. One that gets no pod is none."""
        self._own.want()
        jobs, pods, nodes = self._own.jobs, self._own.pods, self._nodes()
        if not (jobs.current(now_seconds) and pods.current(now_seconds) and nodes.current(now_seconds)):
            return None
        stuck = self._stuck(jobs, now_seconds)
        there = [job for job in jobs if key(job).name not in stuck]
        sight = Sight(
            tuple(pods), tuple(nodes), self._own.refusals.of, self._images(pool), self._settings.notice_taints
        )
        return units(pool, there, sight)

    def unknown_because(self) -> str:
        """Why the Jobs, their pods or the nodes cannot be read; empty if they can."""
        return self._own.jobs.problem or self._own.pods.problem or self._nodes().problem

    async def ensure(self, pool: GpuPool, plan: PoolPlan, now_seconds: float) -> Change:
        """Bring each offering to its claim. What is there is let go also where nothing can be created."""
        self._own.want()
        jobs = self._own.jobs
        if not jobs.synced:
            return Change(problem=self._unknown(jobs))
        own = of_pool(pool, jobs)
        self._handovers.see(pool.uid, placed(own, self._own.pods), own, now_seconds)
        await self._rest(pool, own, now_seconds)
        problem = self._problem(pool, plan, own, now_seconds)
        if not self._turn(pool, plan, own, now_seconds):
            return Change(problem=problem)
        try:
            fresh, _ = await self._kube.list_all(collection.jobs(self._own.namespace, STANDBYS))
        except KubeError as error:
            return Change(problem=str(error))
        turn = self._turn(pool, plan, of_pool(pool, fresh), now_seconds)
        new: list[Object] = [
            standby_job(pool, part.offering, slot, self._settings)
            for part in turn.parts
            for slot in part.moves.create_slots
        ]
        self._podless.made(map(key, new), now_seconds)
        released, trouble = await delete_jobs(self._kube, turn.doomed)
        self._handovers.released(map(uid, turn.doomed))
        created, refusal = ((), "") if trouble else await self._create(pool, new, now_seconds)
        return Change(created, released, problem=trouble or refusal or problem)

    async def release(self, now_seconds: float) -> Change:
        """Delete every Job that no pool stands behind, found by label alone, and those that nothing has ended."""
        there = self._pools()
        if there is None:
            return Change(problem="the GPUPools have not been listed yet, so no standby node is released")
        self._handovers.keep(there)
        self._rests.prune(now_seconds)
        self._own.refusals.keep({uid(pod) for pod in self._own.pods})

        def stray(job: Object) -> bool:
            owners = {owner.get("uid") for owner in metadata(job).get("ownerReferences") or ()}
            return not owners & set(there) or outlived(job, self._settings.deadline_seconds, now_seconds)

        change, _ = await sweep_jobs(self._kube, [self._own.namespace], STANDBYS, stray)
        return change

    # ---------------------------------------------------------------- what to do

    def _turn(self, pool: GpuPool, plan: PoolPlan, jobs: Iterable[Object], now_seconds: float) -> _Turn:
        """What brings these Jobs to the plan."""
        jobs = list(jobs)
        held_by_jobs = [each for each in pool.offerings if not each.capacity_buffer]
        names = {each.name for each in held_by_jobs}
        parts = [self._part(pool, each, plan, of_offering(each, jobs), now_seconds) for each in held_by_jobs]
        return _Turn(parts, [job for job in jobs if labels(job).get(OFFERING) not in names])

    def _part(
        self, pool: GpuPool, offering: OfferingAt, plan: PoolPlan, jobs: Sequence[Object], now_seconds: float
    ) -> _Part:
        pods, made_of = owned(self._own.pods, jobs), shape(pool, offering, self._settings)
        stuck = self._stuck(self._own.jobs, now_seconds)
        seen = held.read(jobs, pods, pool.uid, made_of, stuck, STANDBY)
        going = leaving_jobs(pods, self._nodes(), self._settings.notice_taints)
        seen = [
            replace(each, outdated=each.outdated or key(job).name in going)
            for each, job in zip(seen, jobs, strict=True)
        ]
        slots = pool.pool.standby.max_nodes
        wanted = _claimed(plan, offering) - self._handovers.recent(pool.uid, offering.name, now_seconds)
        rests = self._rests.cause((pool.uid, made_of), now_seconds)
        return _Part(offering, plan_moves(seen, max(0, wanted), 0, slots, None if rests else slots, now_seconds), jobs)

    def _problem(self, pool: GpuPool, plan: PoolPlan, own: Sequence[Object], now_seconds: float) -> str:
        """Why fewer nodes are held than claimed, as far as that shows; empty if they are not."""
        shapes = [shape(pool, each, self._settings) for each in pool.offerings if _claimed(plan, each)]
        rests = (self._rests.cause((pool.uid, made_of), now_seconds) for made_of in shapes)
        return next(filter(None, rests), "") or held.failed_because(own, owned(self._own.pods, own), STANDBY, _WHAT)

    async def _rest(self, pool: GpuPool, own: Sequence[Object], now_seconds: float) -> None:
        """Ask an offering for none for a while where the last Job got no pod."""
        stuck = self._stuck(self._own.jobs, now_seconds)
        for offering in pool.offerings:
            for job in of_offering(offering, own):
                if key(job).name in stuck:
                    why = held.without_pod_because(job, await last_warning(self._kube, job), _WHAT, _NONE)
                    self._rests.begin((pool.uid, shape(pool, offering, self._settings)), why, now_seconds)

    async def _create(self, pool: GpuPool, new: Sequence[Object], now_seconds: float) -> tuple[tuple[str, ...], str]:
        created, stopped = await create_jobs(self._kube, new, self._unseen)
        if stopped is None:
            return created, ""
        if not isinstance(stopped.error, Unavailable):
            made_of = (metadata(stopped.job).get("annotations") or {}).get(SHAPE, "")
            self._rests.begin((pool.uid, made_of), str(stopped.error), now_seconds)
        return created, str(stopped.error)

    def _stuck(self, jobs: Iterable[Object], now_seconds: float) -> frozenset[str]:
        """Names of the Jobs that have had no pod for too long."""
        if not self._own.pods.current(now_seconds):
            return frozenset()
        jobs = list(jobs)
        lacking = held.without_pod(jobs, owned(self._own.pods, jobs), STANDBY)
        return self._podless.stuck(self._own.namespace, lacking, now_seconds)

    def _unknown(self, jobs: Store) -> str:
        namespace = self._own.namespace
        if jobs.problem:
            return f"the Jobs in namespace {namespace} cannot be read, so no standby node is held: {jobs.problem}"
        return f"the Jobs in namespace {namespace} have not been listed yet, so no standby node is held"


def _claimed(plan: PoolPlan, offering: OfferingAt) -> int:
    return sum(claim.nodes for claim in plan.claims if claim.offering == offering.name)
