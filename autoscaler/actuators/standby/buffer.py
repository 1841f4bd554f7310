"""Holds standby nodes by an administrator's CapacityBuffers, for offerings that name one in Outrider's own namespace.

Only the size of a buffer that has spec.limits is set. It outlives the controller, within these limits; a node autoscaler fills it
again when replicas take its nodes, so it is lowered by what they take until the next decision.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from autoscaler.actuators.base import Change
from autoscaler.actuators.standby.buffer_reading import BufferReading, read
from autoscaler.actuators.standby.handovers import Handovers
from autoscaler.actuators.standby.manifest import HoldSettings
from autoscaler.clock import Clock
from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import Forbidden, KubeError, NotFound
from autoscaler.kube.objects import Object, key, labels
from autoscaler.kube.ours import POOL, policy_label
from autoscaler.kube.store import STALE_SECONDS, Store
from crds.pool import GpuPool, OfferingAt
from policies.pool import PoolPlan, StandbyPhase, StandbyUnit

LOOK_SECONDS = 5.0
_At = tuple[str, str]  # the pool's uid, and the buffer


@dataclass(slots=True)
class _Buffer:
    """What is known of one."""

    reading: BufferReading
    at_seconds: float
    problem: str = ""  # why it was not read since
    written: int | None = None  # by this controller
    refused: int = 0  # nodes that were claimed where it cannot be set
    asked_seconds: list[float] = field(default_factory=list)  # of each node that it asks for, the oldest first

    def take(self, reading: BufferReading, now_seconds: float) -> None:
        """Take what a look showed."""
        self.reading, self.at_seconds, self.problem = reading, now_seconds, ""
        self.asks(reading.replicas, now_seconds)

    def asks(self, replicas: int, now_seconds: float) -> None:
        """Take for how many nodes it asks."""
        self.asked_seconds = self.asked_seconds[:replicas]
        self.asked_seconds += [now_seconds] * (replicas - len(self.asked_seconds))

    @property
    def foreign(self) -> bool:
        """Whether something else has set its size since."""
        return self.written is not None and self.reading.replicas != self.written


class CapacityBuffers:
    """Sets the sizes of all pools' buffers. `pools` gives the names of the pools that there are; None: not known yet."""

    def __init__(
        self,
        kube: Kube,
        clock: Clock,
        settings: HoldSettings,
        nodes: Callable[[], Store],
        pools: Callable[[], Collection[str] | None],
        busy: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self._kube = kube
        self._clock = clock
        self._namespace = settings.namespace
        self._taints = settings.notice_taints
        self._nodes = nodes
        self._pools = pools
        self._busy = busy
        self._followed: dict[str, GpuPool] = {}  # by uid: those whose buffers are read
        self._named: dict[str, frozenset[str]] = {}  # by the label of a pool: the buffers that it names
        self._known: dict[_At, _Buffer] = {}
        self._handovers = Handovers()

    def observe(self, pool: GpuPool, now_seconds: float) -> tuple[StandbyUnit, ...] | None:
        """The nodes that the pool's buffers hold or ask for; None before they were read, and where that is long ago."""
        self._follow(pool)
        found: list[StandbyUnit] = []
        for offering in _with_buffer(pool):
            buffer = self._known.get((pool.uid, offering.capacity_buffer))
            if buffer is None or now_seconds - buffer.at_seconds > STALE_SECONDS:
                return None
            found += _units(offering, buffer)
        return tuple(found)

    def unknown_because(self) -> str:
        """Why a buffer cannot be read; empty if all can."""
        return next((buffer.problem for buffer in self._known.values() if buffer.problem), "")

    async def ensure(self, pool: GpuPool, plan: PoolPlan, now_seconds: float) -> Change:
        """Bring each buffer to the claim on its offering, as it was last read."""
        self._follow(pool)
        created: list[str] = []
        released: list[str] = []
        problems: list[str] = []
        foreign: list[str] = []
        for offering in _with_buffer(pool):
            buffer = self._known.get((pool.uid, offering.capacity_buffer))
            if buffer is None:
                problems.append(f"the CapacityBuffer {offering.capacity_buffer} has not been read yet")
                continue
            before, is_foreign = buffer.reading.replicas, buffer.foreign
            buffer.refused = _claimed(plan, offering) if buffer.reading.impossible else 0
            problem = buffer.reading.impossible or await self._set(pool, offering, buffer, plan, now_seconds)
            problems += [problem] if problem and (_claimed(plan, offering) or not buffer.reading.impossible) else []
            foreign += [problem] if is_foreign and problem else []
            after = buffer.reading.replicas
            created += [offering.capacity_buffer] * max(0, after - before)
            released += [offering.capacity_buffer] * max(0, before - after)
        return Change(tuple(created), tuple(released), problem="; ".join(problems), foreign="; ".join(foreign))

    async def release(self, now_seconds: float) -> Change:
        """Empty the buffers that were set for a pool which is gone, or which no longer names them."""
        del now_seconds
        there = self._pools()
        if there is None:
            return Change()
        known = {policy_label(name) for name in there}
        self._named = {pool: names for pool, names in self._named.items() if pool in known}
        self._followed = {uid: pool for uid, pool in self._followed.items() if pool.name in there}
        self._known = {at: buffer for at, buffer in self._known.items() if at[0] in self._followed}
        self._handovers.keep({_owner(pool, each) for pool in self._followed.values() for each in _with_buffer(pool)})
        buffers = collection.capacity_buffers(self._namespace, POOL)
        try:
            if not await self._kube.may_list(buffers):  # without the component none was ever set
                return Change()
            found, _ = await self._kube.list_all(buffers)
            stray = [each for each in found if self._is_stray(each, known)]
            for each in stray:
                await self._patch(key(each).name, 0, None)
        except (NotFound, Forbidden):  # nor without the API
            return Change()
        except KubeError as error:
            return Change(problem=str(error))
        return Change(released=tuple(key(each).name for each in stray))

    async def run(self) -> None:
        """Read the buffers of the pools that are followed, until cancelled."""
        while True:
            await self.look(self._clock.now())
            await self._clock.sleep(LOOK_SECONDS)

    async def look(self, now_seconds: float) -> None:
        """Read each buffer once. One that cannot be read stays as it was."""
        if not self._followed:  # nobody else may want nodes to be watched
            return
        nodes = self._nodes()
        for pool in list(self._followed.values()):
            for offering in _with_buffer(pool):
                if not nodes.current(now_seconds):
                    continue
                at = (pool.uid, offering.capacity_buffer)
                try:
                    found = await read(
                        self._kube, self._namespace, pool, offering, tuple(nodes), self._busy(), self._taints
                    )
                except KubeError as error:
                    if at in self._known:
                        self._known[at].problem = str(error)
                    continue
                self._known.setdefault(at, _Buffer(found, now_seconds)).take(found, now_seconds)
                self._see_taken(pool, offering, found, nodes, now_seconds)

    # ---------------------------------------------------------------- one buffer

    def _is_stray(self, buffer: Object, pools: Collection[str]) -> bool:
        """Whether a buffer that was set is of no pool any more; `pools` are the labels of those that there are."""
        pool = labels(buffer).get(POOL, "")
        return pool not in pools or (pool in self._named and key(buffer).name not in self._named[pool])

    def _follow(self, pool: GpuPool) -> None:
        self._named[policy_label(pool.name)] = frozenset(each.capacity_buffer for each in _with_buffer(pool))
        if any(True for _ in _with_buffer(pool)) or pool.uid in self._followed:
            self._followed[pool.uid] = pool

    def _see_taken(
        self, pool: GpuPool, offering: OfferingAt, found: BufferReading, nodes: Store, now_seconds: float
    ) -> None:
        there = {key(each).name for each in nodes}
        owner = _owner(pool, offering)
        self._handovers.released(self._handovers.units(owner) - (there & (found.taken | set(found.free))))
        self._handovers.see(owner, dict.fromkeys(found.free, offering.name), (), now_seconds)

    async def _set(
        self, pool: GpuPool, offering: OfferingAt, buffer: _Buffer, plan: PoolPlan, now_seconds: float
    ) -> str:
        """Bring one buffer to the claim. Gives what stands against it; empty if nothing does."""
        taken = self._handovers.recent(_owner(pool, offering), offering.name, now_seconds)
        wanted = max(0, min(_claimed(plan, offering), pool.pool.standby.max_nodes) - taken)
        foreign = (
            f"something else has set spec.replicas of the CapacityBuffer {offering.capacity_buffer} to {buffer.reading.replicas}: "
            "let Outrider alone set it, or take it out of the pool"
        )
        if buffer.foreign and buffer.written == wanted:
            return foreign
        problem = foreign if buffer.foreign else buffer.problem
        if buffer.reading.replicas == wanted:
            return problem
        try:
            await self._patch(offering.capacity_buffer, wanted, policy_label(pool.name))
        except KubeError as error:
            return str(error)
        buffer.written = wanted
        buffer.reading = _resized(buffer.reading, wanted)
        buffer.asks(wanted, now_seconds)
        return problem

    async def _patch(self, name: str, replicas: int, pool: str | None) -> None:
        path = collection.capacity_buffers(self._namespace).item(self._namespace, name)
        change: Object = {"metadata": {"labels": {POOL: pool}}, "spec": {"replicas": replicas}}
        await self._kube.merge_patch(path, change)


def _with_buffer(pool: GpuPool) -> Iterator[OfferingAt]:
    return (each for each in pool.offerings if each.capacity_buffer)


def _owner(pool: GpuPool, offering: OfferingAt) -> str:
    return f"{pool.uid} {offering.name}"


def _claimed(plan: PoolPlan, offering: OfferingAt) -> int:
    return sum(claim.nodes for claim in plan.claims if claim.offering == offering.name)


def _resized(reading: BufferReading, replicas: int) -> BufferReading:
    return BufferReading(replicas, reading.waits, reading.free, reading.starting, reading.taken)


def _units(offering: OfferingAt, buffer: _Buffer) -> Iterator[StandbyUnit]:
    """So many as the buffer asks for: on free nodes first, then on those that start; the rest are asked for.

    Where it cannot be set, what is claimed is refused, so that the pool asks its next offering.
    """
    reading, name = buffer.reading, offering.capacity_buffer
    if reading.impossible:
        refused = StandbyPhase.REFUSED, buffer.at_seconds, buffer.at_seconds
        yield from (StandbyUnit(f"{name}.{index}", offering.name, *refused) for index in range(buffer.refused))
        return
    asked = iter(buffer.asked_seconds)
    up_to = reading.replicas
    for node, since in [*((each, None) for each in reading.free), *reading.starting][:up_to]:
        at = next(asked)
        phase = StandbyPhase.READY if since is None else StandbyPhase.STARTING
        yield StandbyUnit(f"{name}.{node}", offering.name, phase, at, at if since is None else since, node)
    phase = StandbyPhase.WAITING if reading.waits else StandbyPhase.REQUESTED
    for index, at in enumerate(asked):
        yield StandbyUnit(f"{name}.{index}", offering.name, phase, at, at)
