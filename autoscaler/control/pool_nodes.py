"""What the nodes of a pool show: how many each offering has, which of them were given notice, and who is on them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from autoscaler.kube.nodes import place
from autoscaler.kube.objects import Object, deleting, key
from autoscaler.kube.store import Store
from crds.notation.selectors import Requirement, Selector
from crds.pool import GpuPool
from policies.seen import Place


@dataclass(frozen=True, slots=True)
class NodeAt:
    """One node."""

    name: str
    offering: str
    place: Place
    leaving: bool  # it was given notice


@dataclass(frozen=True, slots=True)
class PoolNodes:
    """The nodes of a pool, by name."""

    nodes: Mapping[str, NodeAt]

    def count(self, offering: str) -> int:
        """How many there are of an offering."""
        return sum([node.offering == offering for node in self.nodes.values()])

    def place(self, offering: str) -> Place | None:
        """The kind of an offering's nodes, by one of them; None where there is none."""
        return next((node.place for node in self.nodes.values() if node.offering == offering), None)


def pool_nodes(
    pool: GpuPool, nodes: Store, notice_taints: Collection[str], going: Collection[str], now_seconds: float
) -> PoolNodes | None:
    """The nodes of a pool; None where they are unknown. A node of two offerings is of the first.

    Notice is a deletion of the node, a taint with a key of `notice_taints`, or its name among those that are `going`.
    """
    if not nodes.current(now_seconds):
        return None
    found: dict[str, NodeAt] = {}
    taints = frozenset(notice_taints)
    for offering in pool.offerings:
        for name, of, leaving in nodes.made(selector(offering.node_selector), _read, taints):
            found.setdefault(name, NodeAt(name, offering.name, of, leaving or name in going))
    return PoolNodes(dict(sorted(found.items())))


def selector(node_labels: Mapping[str, str]) -> Selector:
    """The selector of the nodes that have all these labels."""
    return Selector(tuple([Requirement(name, "in", frozenset([value])) for name, value in sorted(node_labels.items())]))


def _read(nodes: Iterable[Object], notice_taints: frozenset[str]) -> tuple[tuple[str, Place, bool], ...]:
    return tuple([(key(node).name, place(node), _leaving(node, notice_taints)) for node in nodes])


def _leaving(node: Object, notice_taints: frozenset[str]) -> bool:
    taints = (node.get("spec") or {}).get("taints") or ()
    return deleting(node) or any(taint.get("key") in notice_taints for taint in taints)
