"""What plays all workloads of a cluster: Outrider with the pool, or a peer for each workload."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from crds.pool import GpuPool
from crds.workload import WeightsMethod, Workload
from replay.cluster_run import ClusterContender
from replay.contenders import outrider
from replay.contenders.contender import Contender, Entry, Setup
from replay.contenders.each_alone import EachAlone
from replay.contenders.pooled import Member, Pooled
from replay.contenders.registry import CONTENDERS
from replay.scenario.assemble import PRE_PULLED, with_actuators
from replay.scenario.cluster import ClusterScenario, ClusterWorkload
from replay.sim.serving import engine_of

OURS = CONTENDERS[0]
ENTRIES = {entry.key: entry for entry in CONTENDERS}


@dataclass(frozen=True, slots=True)
class Contending:
    """A contender of a cluster, and what is given to it."""

    key: str  # of an entry
    standby: int | None = (
        None  # for Outrider the most standby nodes, for a peer as many at all times; None: as it comes
    )
    pre_pull: bool = False  # images and weights of all workloads go onto every node as it registers
    pool: bool = True  # for Outrider: whether the pool decides; else each workload by itself

    @property
    def entry(self) -> Entry:
        """How it scales one workload."""
        return ENTRIES[self.key]

    @property
    def name(self) -> str:
        """Of a row."""
        given = [] if self.pool else ["no pool"]
        if self.standby is not None:
            given.append(f"{self.standby} standby" if self.standby else "no standby")
        if self.pre_pull:
            given.append("pre-pull")
        return f"{self.entry.name} with {' and '.join(given)}" if given else self.entry.name

    @property
    def identity(self) -> str:
        """In JSON."""
        standby = "" if self.standby is None else f"_standby{self.standby}"
        return f"{self.key}{'' if self.pool else '_nopool'}{standby}{'_prepull' if self.pre_pull else ''}"


@dataclass(frozen=True, slots=True)
class Played:
    """What all contenders play: the cluster, whose workloads have these policies, and their pool."""

    scenario: ClusterScenario
    workloads: Mapping[str, Workload]  # by the name in the cluster
    pool: GpuPool | None = None

    def given(self, contending: Contending) -> "Played":
        """As this contender meets it."""
        return replace(self, scenario=with_actuators(self.scenario, PRE_PULLED)) if contending.pre_pull else self

    def setup(self, of: ClusterWorkload) -> Setup:
        """What a contender may know of one workload."""
        scenario = of.scenario
        return Setup(scenario.resolved(self.workloads[of.name]), engine_of(scenario.hardware), scenario.past)


def make(played: Played, contending: Contending, value: float | None = None) -> ClusterContender:
    """The contender; `value` is of its knob, the same for all workloads. Raises ValueError where it needs one."""
    if contending.key == OURS.key and contending.pool and played.pool is not None:
        return _pooled(played, played.pool, contending)
    contenders = {each.name: _alone(contending, played.setup(each), value) for each in played.scenario.workloads}
    standby = 0 if contending.key == OURS.key else contending.standby or 0
    return EachAlone(contenders, standby=standby, fills=contending.pre_pull)


def _alone(contending: Contending, setup: Setup, value: float | None) -> Contender:
    entry = contending.entry
    if value is not None and entry.knob is not None:
        return entry.knob.make(setup, value)
    if entry.make is None:
        raise ValueError(f"{entry.key} plays only with a value of its knob")
    return entry.make(setup)


def _pooled(played: Played, gpu_pool: GpuPool, contending: Contending) -> Pooled:
    pool = gpu_pool.pool
    if contending.standby is not None:
        most = contending.standby
        standby = replace(pool.standby, max_nodes=most, min_nodes=min(most, pool.standby.min_nodes))
        pool = replace(pool, standby=standby)
    members = {}
    for each in played.scenario.workloads:
        labels = {"kubernetes.io/metadata.name": each.namespace, **dict(each.labels)}
        setup, seat = played.setup(each), gpu_pool.seat(each.namespace, labels)
        has_weights = each.scenario.actuators.weights is not WeightsMethod.NONE
        members[each.name] = Member(setup.workload.policy.name, outrider.make(setup), seat, has_weights)
    return Pooled(pool, members, gpu_pool.day, gpu_pool.is_open)
