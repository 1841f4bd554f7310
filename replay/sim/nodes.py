"""The pool of GPU nodes: launch, removal, caches and the bill, as a cluster autoscaler keeps it."""

import math
from collections.abc import Callable
from functools import partial

from replay.scenario.scenario import Hardware
from replay.sim.agenda import Agenda
from replay.sim.stages import StageKind, draw_seconds
from replay.sim.units import Balloon, Node, Pod, Unit


class Nodes:
    """Nodes from launch to removal. A node that stays empty for `node_idle_seconds` is removed."""

    def __init__(self, hardware: Hardware, seed: int, agenda: Agenda, became_ready: Callable[[float], None]) -> None:
        self._hardware = hardware
        self._seed = seed
        self._agenda = agenda
        self._became_ready = became_ready
        self._ended_gpu_seconds = 0.0
        self.launched = 0
        self.all: list[Node] = []

    def launch(self, now_seconds: float) -> None:
        """Ask the cloud for a node; the head of the node stage before the launch has passed already."""
        cold, ordinal, seed = self._hardware.cold_start, self.launched, self._seed
        seconds = draw_seconds(cold.node, StageKind.NODE, ordinal, seed) - self._hardware.reaction_seconds
        seconds += draw_seconds(cold.gpu, StageKind.GPU, ordinal, seed)
        node = self._add(now_seconds, now_seconds + max(0.0, seconds))
        self._agenda.at(node.ready_seconds, partial(self._ready, node))

    def add_prepared(self, now_seconds: float) -> Node:
        """A node that is up, with the image and the weights on its disk."""
        node = self._add(now_seconds, now_seconds)
        node.image_seconds = node.weights_seconds = now_seconds
        return node

    def _add(self, now_seconds: float, ready_seconds: float) -> Node:
        hardware = self._hardware
        name = f"gpu-node-{self.launched}"
        node = Node(name, self.launched, now_seconds, ready_seconds, hardware.gpus_per_node, hardware.replicas_per_node)
        self.launched += 1
        self.all.append(node)
        return node

    def _ready(self, node: Node) -> None:
        self._became_ready(node.ready_seconds)
        self._if_empty(node, node.ready_seconds)

    def bind(self, unit: Unit, node: Node, now_seconds: float) -> None:
        """Put a unit on a node with a free place, and plan its stages."""
        cold, seed = self._hardware.cold_start, self._seed
        node.units.append(unit)
        node.empty_since_seconds = math.inf
        unit.node, unit.scheduled_seconds = node, now_seconds
        if node.image_seconds == math.inf:
            node.image_seconds = now_seconds + draw_seconds(cold.image, StageKind.IMAGE, node.ordinal, seed)
        unit.image_seconds = max(now_seconds, node.image_seconds)
        if isinstance(unit, Pod):
            unit.started_seconds = unit.image_seconds
            if node.weights_seconds > unit.image_seconds:
                unit.started_seconds += draw_seconds(cold.weights, StageKind.WEIGHTS, unit.ordinal, seed)
                node.weights_seconds = min(node.weights_seconds, unit.started_seconds)
            warmup = draw_seconds(cold.warmup, StageKind.WARMUP, unit.ordinal, seed)
            unit.ready_seconds = unit.started_seconds + warmup

    def free(self, unit: Unit, now_seconds: float) -> None:
        """Take a unit off its node. A pull of the image goes on without it; a download of weights ends with its pod."""
        node = unit.node
        if node is None:
            return
        node.units.remove(unit)
        unit.node = None
        if isinstance(unit, Pod) and node.weights_seconds == unit.started_seconds > now_seconds:
            others = (other.started_seconds for other in node.units if isinstance(other, Pod))
            node.weights_seconds = min(others, default=math.inf)
        self._if_empty(node, now_seconds)

    def _if_empty(self, node: Node, now_seconds: float) -> None:
        if not node.units:
            node.empty_since_seconds = now_seconds
            self._agenda.at(now_seconds + self._hardware.node_idle_seconds, partial(self._remove, node, now_seconds))

    def _remove(self, node: Node, empty_since_seconds: float) -> None:
        if node.empty_since_seconds == empty_since_seconds:
            node.empty_since_seconds = math.inf
            self.all.remove(node)
            billed_seconds = empty_since_seconds + self._hardware.node_idle_seconds - node.launched_seconds
            self._ended_gpu_seconds += billed_seconds * node.gpus

    def free_place(self, now_seconds: float) -> Node | None:
        """The best node for a unit: weights on its disk, then the image, then the oldest."""
        able = [node for node in self.all if node.has_place(now_seconds)]
        return max(able, key=lambda node: (*node.caches(now_seconds), -node.ordinal), default=None)

    def preemptible(self, now_seconds: float) -> tuple[Node, Balloon] | None:
        """The best balloon to give way to a replica, by what its node holds; and the node."""
        able = [(node, unit) for node in self.all for unit in node.units if isinstance(unit, Balloon)]
        return max(able, key=lambda pair: (*pair[0].caches(now_seconds), -pair[0].ordinal), default=None)

    def places_in_flight(self, now_seconds: float) -> int:
        """Replicas that fit on nodes launched and not ready."""
        return sum(node.places for node in self.all if node.ready_seconds > now_seconds)

    def gpu_seconds(self, now_seconds: float) -> float:
        """Billed up to now: from launch to removal, whatever the GPUs did."""
        return self._ended_gpu_seconds + sum((now_seconds - node.launched_seconds) * node.gpus for node in self.all)
