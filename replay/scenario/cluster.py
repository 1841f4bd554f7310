"""A scenario of several workloads that share GPU nodes: the offerings that these come from, and what goes wrong with them."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from policies.pool import OfferingKind
from policies.supply import Stage
from replay.scenario.scenario import Scenario


@dataclass(frozen=True, slots=True)
class ClusterWorkload:
    """One workload. Its `scenario` has its traffic, its engine and its stages after the node's; nodes are the cluster's."""

    name: str  # unique in the cluster; begins the names of its pods
    scenario: Scenario
    namespace: str = "default"
    labels: tuple[tuple[str, str], ...] = ()  # of its namespace
    offerings: tuple[str, ...] = ()  # that its pods can land on; empty: all
    image: str = ""  # workloads that name the same one share it on a node; empty: its own
    image_bytes: float = 0.0  # on a node's disk
    weights_bytes: float = 0.0

    @property
    def image_key(self) -> str:
        """Which image it is."""
        return self.image or self.name


@dataclass(frozen=True, slots=True)
class SimOffering:
    """One way to get nodes, as the cloud really gives them."""

    name: str
    kind: OfferingKind
    price_per_gpu_hour: float
    gpus_per_node: int
    max_nodes: int = 64  # the limit of its NodePool, or the greatest size of its node group
    node: Stage | None = (
        None  # request -> the kubelet has registered; None: node and gpu of the first workload's hardware
    )
    gpu: Stage | None = None  # registered -> the GPUs are allocatable; None beside a node: at once


@dataclass(frozen=True, slots=True)
class Outage:
    """A stock-out: every create of a node of the offering is refused in [start, end), Unix seconds."""

    offering: str
    start_seconds: float
    end_seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class StockOuts:
    """Stock-outs at random: times with and without stock follow each other, both exponential. The same for every contender."""

    mean_seconds_between: float
    mean_seconds: float
    offerings: tuple[str, ...] = ()  # that have them; empty: all


@dataclass(frozen=True, slots=True)
class Reclaims:
    """How the cloud takes spot nodes back: after an exponential life, with notice."""

    mean_seconds_between: float  # of one node
    notice_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Karpenter:
    """Removes a node that stays empty. A refused offering is left out for a while, and the next one is asked."""

    idle_seconds: float = 60.0  # consolidateAfter
    refusal_seconds: float = 4.0  # from a claim to its refusal
    remember_seconds: float = 180.0


@dataclass(frozen=True, slots=True)
class ClusterAutoscaler:
    """Looks at everything once a scan. A node group that refuses backs off, twice as long each time."""

    unneeded_seconds: float = 600.0
    scan_seconds: float = 10.0
    refusal_seconds: float = 20.0  # from the larger target size to the error that it sees
    backoff_seconds: float = 300.0
    longest_backoff_seconds: float = 1800.0
    reset_seconds: float = 10_800.0  # without a refusal, after which the backoff is the first one again


NodeAutoscaler = Karpenter | ClusterAutoscaler


@dataclass(frozen=True, slots=True)
class ClusterScenario:
    """One replayable run of several workloads. All of them begin at `start_seconds`.

    Offerings are asked in their order. Raises ValueError that says what does not fit together.
    """

    name: str
    start_seconds: float  # Unix time
    duration_seconds: float
    workloads: tuple[ClusterWorkload, ...]
    offerings: tuple[SimOffering, ...]
    seed: int = 0
    outages: tuple[Outage, ...] = ()
    stockouts: StockOuts | None = None
    reclaims: Reclaims | None = None  # None: spot nodes stay
    disk_bytes: float = math.inf  # of a node, for images and weights
    autoscaler: NodeAutoscaler = Karpenter()
    reaction_seconds: float = 3.0  # pending pod -> claim; the unbilled head of the node stage
    max_gpus: int | None = None  # of the nodes of all offerings: a limit that they share

    def __post_init__(self) -> None:
        """Raises ValueError with everything that is wrong."""
        if wrong := list(self._wrong()):
            raise ValueError(f"scenario {self.name}: " + "; ".join(wrong))

    def offering(self, name: str) -> SimOffering:
        """The offering of that name. Raises KeyError."""
        return next((each for each in self.offerings if each.name == name), None) or _unknown(name, self.offerings)

    def reachable(self, workload: ClusterWorkload) -> tuple[SimOffering, ...]:
        """The offerings whose nodes a replica of that workload can land on, in order."""
        gpus, named = workload.scenario.hardware.gpus_per_replica, workload.offerings
        return tuple(
            [each for each in self.offerings if each.gpus_per_node >= gpus and (not named or each.name in named)]
        )

    def _wrong(self) -> Iterator[str]:
        if not self.workloads or not self.offerings:
            yield "it needs a workload and an offering at least"
            return
        for kind, names in (
            ("workload", [each.name for each in self.workloads]),
            ("offering", [each.name for each in self.offerings]),
        ):
            yield from (f"{kind} {name} is there {count} times" for name, count in Counter(names).items() if count > 1)
        yield from self._impossible()
        known = {each.name for each in self.offerings}
        named = [
            *((f"workload {each.name}", name) for each in self.workloads for name in each.offerings),
            *(("an outage", each.offering) for each in self.outages),
            *(("the stock-outs", name) for name in (self.stockouts.offerings if self.stockouts else ())),
        ]
        yield from (
            f"{who} names offering {name}; there are {sorted(known)}" for who, name in named if name not in known
        )
        for each in self.workloads:
            if each.scenario.start_seconds != self.start_seconds:
                yield f"workload {each.name} begins at {each.scenario.start_seconds:.0f}, not {self.start_seconds:.0f}"
            if not self.reachable(each):
                gpus = each.scenario.hardware.gpus_per_replica
                yield f"no node of an offering holds a replica of workload {each.name}, of {gpus} GPUs"
            if each.image_bytes + each.weights_bytes > self.disk_bytes:
                needs = (each.image_bytes + each.weights_bytes) / 1e9
                yield f"a disk of {self.disk_bytes / 1e9:.0f} GB does not hold the {needs:.0f} GB of workload {each.name}"

    def _impossible(self) -> Iterator[str]:
        """Numbers that nothing can be drawn from or built with."""
        above_zero = [
            ("the duration", self.duration_seconds),
            *((f"offering {each.name}'s GPUs of a node", each.gpus_per_node) for each in self.offerings),
        ]
        if self.stockouts is not None:
            above_zero.append(("the time between stock-outs", self.stockouts.mean_seconds_between))
            above_zero.append(("the time of a stock-out", self.stockouts.mean_seconds))
        if self.reclaims is not None:
            above_zero.append(("the time between reclaims", self.reclaims.mean_seconds_between))
        yield from (f"{what} must be above 0, not {value:g}" for what, value in above_zero if not value > 0.0)


def alone(scenario: Scenario, name: str) -> ClusterScenario:
    """A scenario of one workload that has its nodes to itself, all of one kind."""
    hardware = scenario.hardware
    return ClusterScenario(
        scenario.name,
        scenario.start_seconds,
        scenario.duration_seconds,
        (ClusterWorkload(name, scenario),),
        (
            SimOffering(
                "nodes",
                OfferingKind.ON_DEMAND,
                hardware.price_per_gpu_hour,
                hardware.gpus_per_node,
                hardware.max_nodes,
            ),
        ),
        scenario.seed,
        autoscaler=Karpenter(hardware.node_idle_seconds),
        reaction_seconds=hardware.reaction_seconds,
    )


def _unknown(name: str, offerings: tuple[SimOffering, ...]) -> SimOffering:
    raise KeyError(f"no offering {name!r}; there are {[each.name for each in offerings]}")
