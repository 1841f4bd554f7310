"""Which images and weights to fetch to which nodes next, the most worth for their bytes first; and which begin ahead of a replica.

A fetch needs no GPU. Nothing here evicts: what is on a node stays, and what does not fit waits.
"""

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from policies.supply import StageName

UNKNOWN_BYTES = 10e9  # of an image or of weights whose size nothing has shown yet: vLLM's image has 9.6 GB
VOLATILITY_SECONDS = 300.0  # over which the volatility of demand is given


@dataclass(frozen=True, slots=True)
class Fetch:
    """One thing that one workload wants on one node."""

    namespace: str  # the workload's
    name: str  # unique in it: of the workload, the thing and the node
    node: str
    worth: float  # of having it there, for each byte: `worth`
    bytes_: float  # that it takes on the node's disk


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be fetched at a time and kept."""

    parallel: int  # fetches under way in all the cluster
    parallel_per_node: int
    held: int  # fetches in all, under way or done, whose objects stay


def worth(probability: float, miss_seconds: float, gpus: float, bytes_: float) -> float:
    """What a fetch is worth for each byte: the chance that it is needed within the lead, times what its lack would cost.

    A miss keeps a replica's GPUs waiting for `miss_seconds`, and its requests with them.
    """
    return max(0.0, probability) * max(0.0, miss_seconds) * max(0.0, gpus) / max(1.0, bytes_)


def probability_needed(
    level: float | None, volatility: float, replicas: int, decided: int, lead_seconds: float
) -> float:
    """The chance that a workload needs one replica more within the lead; 1 where one is decided, or demand is unknown.

    `level` is the demand in replicas, log-normal over the lead; `replicas` those that have a node.
    """
    if decided > replicas or level is None or not math.isfinite(level) or replicas <= 0:
        return 1.0
    if level <= 0:
        return 0.0
    deviation = max(1e-6, volatility) * math.sqrt(max(1.0, lead_seconds) / VOLATILITY_SECONDS)
    return 0.5 * math.erfc(math.log(replicas / level) / (deviation * math.sqrt(2)))


def candidates(wanted: Iterable[Fetch], room_bytes: Mapping[str, float], limits: Limits) -> tuple[Fetch, ...]:
    """Of what one workload wants, those to `choose` from, which are few: 1,000 workloads on 500 nodes want 500,000."""
    fit = (each for each in wanted if each.bytes_ <= max(0.0, room_bytes.get(each.node, math.inf)))
    return tuple(heapq.nsmallest((1 + limits.parallel_per_node) * limits.parallel, fit, key=_order))


def choose(
    wanted: Iterable[Iterable[Fetch]],
    under_way: Mapping[str, int],
    tenants: Mapping[str, int],
    held: int,
    room_bytes: Mapping[str, float],
    limits: Limits,
) -> tuple[Fetch, ...]:
    """The fetches to begin now, those first that are worth most; `wanted` are each workload's `candidates`.

    `under_way` counts those of each node that have not ended, `tenants` the same by namespace, with those that may ask for some,
    and `held` all that there are but those that make way. `room_bytes` is what each node's disk has left, where that is known.
    One that has no room on its node keeps no other one waiting. Of several namespaces, none has more under way than are free,
    so that one whose pulls hang leaves some to the others.
    """
    begun: list[Fetch] = []
    busy, theirs, room = Counter(under_way), Counter(tenants), dict(room_bytes)
    left = min(limits.parallel - busy.total(), limits.held - held)
    if left <= 0:
        return ()
    for each in heapq.merge(*wanted, key=_order):
        if len(begun) >= left:
            break
        if busy[each.node] >= limits.parallel_per_node or each.bytes_ > max(0.0, room.get(each.node, math.inf)):
            continue
        if len(tenants) > 1 and theirs[each.namespace] >= limits.parallel - busy.total():
            continue
        busy[each.node] += 1
        theirs[each.namespace] += 1
        if each.node in room:
            room[each.node] -= each.bytes_
        begun.append(each)
    return tuple(begun)


def _order(fetch: Fetch) -> tuple[float, str, str]:
    return -fetch.worth, fetch.namespace, fetch.name


@dataclass(frozen=True, slots=True)
class Ability:
    """Whether one of the means that a policy asks for works for it here."""

    name: str  # as the status has it
    stage: StageName  # that it brings forward
    works: bool
    sentence: str  # what it does, or why it does not work


def ahead(abilities: Iterable[Ability]) -> tuple[StageName, ...]:
    """Of image and weights, what begins when a node registers: what the policy asks for and works here. Else the lead is longer."""
    working = {each.stage for each in abilities if each.works}
    return tuple(stage for stage in (StageName.IMAGE, StageName.WEIGHTS) if stage in working)
