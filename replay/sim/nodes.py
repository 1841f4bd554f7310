"""The pool of GPU nodes: launch, removal, caches and the bill, as a cluster autoscaler keeps it.

A node registers, and its driver makes the GPUs allocatable. What is prepared ahead begins at its registration, beside the driver;
the rest when a unit is on the node. A kubelet pulls one image at a time.
"""

import math
from collections.abc import Callable
from functools import partial

from crds.workload import WeightsMethod
from policies.ladder import CONTENTION
from policies.supply import Stage
from replay.scenario.actuators import CompileCache
from replay.scenario.scenario import Scenario
from replay.sim.agenda import Agenda
from replay.sim.stages import StageKind, draw_seconds, draw_slowness
from replay.sim.units import Balloon, Compiled, Node, Pod, Unit

SIDE_BY_SIDE = (WeightsMethod.PREFETCH, WeightsMethod.LOCAL_MODEL_CACHE)  # with the pull of an image


class Nodes:
    """Nodes from launch to removal. A node that stays empty for `node_idle_seconds` is removed."""

    def __init__(self, scenario: Scenario, agenda: Agenda, became_ready: Callable[[float], None]) -> None:
        self._hardware = scenario.hardware
        self._actuators = scenario.actuators
        self._seed = scenario.seed
        self._agenda = agenda
        self._became_ready = became_ready
        self._volume = Compiled()
        self._ended_gpu_seconds = 0.0
        self.launched = 0
        self.all: list[Node] = []

    def launch(self, now_seconds: float) -> None:
        """Ask the cloud for a node; the head of the node stage before the launch has passed already."""
        cold, ordinal = self._hardware.cold_start, self.launched
        seconds = self._draw(cold.node, StageKind.NODE, ordinal) - self._hardware.reaction_seconds
        registered_seconds = now_seconds + max(0.0, seconds)
        ready_seconds = registered_seconds + self._draw(cold.gpu, StageKind.GPU, ordinal)
        node = self._add(now_seconds, registered_seconds, ready_seconds)
        self._prepare(node)
        self._agenda.at(node.ready_seconds, partial(self._ready, node))

    def add_prepared(self, now_seconds: float) -> Node:
        """A node that is up, with the image, the weights and what the engine compiles on its disk."""
        node = self._add(now_seconds, now_seconds, now_seconds)
        node.image_seconds = node.weights_seconds = node.compiled.seconds = now_seconds
        return node

    def _add(self, now_seconds: float, registered_seconds: float, ready_seconds: float) -> Node:
        hardware, ordinal = self._hardware, self.launched
        node = Node(
            f"gpu-node-{ordinal}",
            ordinal,
            now_seconds,
            registered_seconds,
            ready_seconds,
            hardware.gpus_per_node,
            hardware.replicas_per_node,
            slowness=draw_slowness(hardware.slowness_sigma, ordinal, self._seed),
            compiled=self._volume if self._actuators.compile_cache is CompileCache.VOLUME else Compiled(),
        )
        self.launched += 1
        self.all.append(node)
        return node

    def _prepare(self, node: Node) -> None:
        """Begin what the actuators begin when a node registers."""
        cold, weights, pre_pull = self._hardware.cold_start, self._actuators.weights, self._actuators.pre_pull
        at_once = pre_pull and weights in SIDE_BY_SIDE and cold.image is not None and cold.weights is not None
        factor = CONTENTION if at_once else 1.0
        if pre_pull:
            self._pull(node, node.registered_seconds, factor)
        if weights is not WeightsMethod.NONE:
            queued = pre_pull and weights is WeightsMethod.IMAGE
            begun_seconds = node.image_seconds if queued else node.registered_seconds
            node.weights_seconds = begun_seconds + factor * self._weights_seconds(node, node.ordinal)

    def _pull(self, node: Node, at_seconds: float, factor: float = 1.0) -> None:
        """The engine's image, after the model's where that is being pulled."""
        if self._actuators.weights is WeightsMethod.IMAGE and node.weights_seconds < math.inf:
            at_seconds = max(at_seconds, node.weights_seconds)
        seconds = self._draw(self._hardware.cold_start.image, StageKind.IMAGE, node.ordinal)
        node.image_seconds = at_seconds + factor * node.slowness * seconds

    def _weights_seconds(self, node: Node, ordinal: int) -> float:
        return node.slowness * self._draw(self._hardware.cold_start.weights, StageKind.WEIGHTS, ordinal)

    def _draw(self, stage: Stage | None, kind: StageKind, ordinal: int) -> float:
        return draw_seconds(stage, kind, ordinal, self._seed)

    def _ready(self, node: Node) -> None:
        self._became_ready(node.ready_seconds)
        self._if_empty(node, node.ready_seconds)

    def bind(self, unit: Unit, node: Node, now_seconds: float) -> None:
        """Put a unit on a node with a free place, and plan its stages."""
        node.units.append(unit)
        node.empty_since_seconds = math.inf
        unit.node, unit.scheduled_seconds = node, now_seconds
        if node.image_seconds == math.inf:
            self._pull(node, now_seconds)
        unit.image_seconds = max(now_seconds, node.image_seconds)
        if isinstance(unit, Pod):
            unit.started_seconds = self._loaded(unit, node)
            unit.ready_seconds = unit.started_seconds + self._warmup_seconds(unit, node)

    def _loaded(self, pod: Pod, node: Node) -> float:
        """When the weights are there; a pod waits for those that come without it, else gets them itself."""
        if node.weights_seconds <= pod.image_seconds:
            return pod.image_seconds
        if self._actuators.weights is not WeightsMethod.NONE:
            return node.weights_seconds
        loaded_seconds = pod.image_seconds + self._weights_seconds(node, pod.ordinal)
        node.weights_seconds = min(node.weights_seconds, loaded_seconds)
        return loaded_seconds

    def _warmup_seconds(self, pod: Pod, node: Node) -> float:
        hardware, stage = self._hardware, self._hardware.cold_start.warmup
        kept = self._actuators.compile_cache is not CompileCache.NONE and node.compiled.seconds <= pod.started_seconds
        if kept and hardware.cached_warmup is not None:
            stage = hardware.cached_warmup
        share = hardware.process_seconds / stage.p50_seconds
        seconds = self._draw(stage, StageKind.WARMUP, pod.ordinal) * (1.0 + share * (node.slowness - 1.0))
        node.compiled.seconds = min(node.compiled.seconds, pod.started_seconds + seconds)
        return seconds

    def free(self, unit: Unit, now_seconds: float) -> None:
        """Take a unit off its node. A pull of the image goes on without it; a download of weights ends with its pod."""
        node = unit.node
        if node is None:
            return
        node.units.remove(unit)
        unit.node = None
        if isinstance(unit, Pod):
            self._forget(unit, node, now_seconds)
        self._if_empty(node, now_seconds)

    def _forget(self, pod: Pod, node: Node, now_seconds: float) -> None:
        """What only this pod would have left behind never comes."""
        if self._actuators.weights is WeightsMethod.NONE and node.weights_seconds == pod.started_seconds > now_seconds:
            others = (other.started_seconds for other in node.units if isinstance(other, Pod))
            node.weights_seconds = min(others, default=math.inf)
        if node.compiled.seconds == pod.ready_seconds > now_seconds:
            sharing = [each for each in self.all if each.compiled is node.compiled]
            ready = (other.ready_seconds for each in sharing for other in each.units if isinstance(other, Pod))
            node.compiled.seconds = min(ready, default=math.inf)

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
