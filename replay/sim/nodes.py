"""The GPU nodes of a cluster: launch, caches, removal and the bill.

A node registers, and its driver makes the GPUs allocatable. What is prepared ahead begins at its registration, beside the driver;
the rest when a unit is on the node. A kubelet pulls one image at a time.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from crds.workload import WeightsMethod
from policies.ladder import CONTENTION
from policies.pool import OfferingKind
from policies.supply import Stage
from replay.scenario.actuators import CompileCache
from replay.scenario.cluster import ClusterAutoscaler, ClusterScenario, SimOffering
from replay.sim.agenda import Agenda, aligned
from replay.sim.disk import Disk, Model
from replay.sim.stages import StageKind, draw_life_seconds, draw_seconds, draw_slowness, seed_of
from replay.sim.units import Balloon, ModelUnit, Node, Pod, Standby, Unit


@dataclass(eq=False)
class Source:
    """An offering, and what came from it."""

    offering: SimOffering
    node: Stage
    gpu: Stage | None
    seed: int
    launched: int = 0
    reclaimed: int = 0
    ended_gpu_seconds: float = 0.0


class Nodes:
    """Nodes from launch to removal. A node that stays empty is removed; one that the cloud takes back stays to the end of its notice.

    `became_ready` and `removed` are called with the time, `noticed` with the node that is to be taken back, `ends` with
    one that is gone, while its units are still on it.
    """

    def __init__(
        self,
        scenario: ClusterScenario,
        agenda: Agenda,
        *,
        became_ready: Callable[[float], None],
        removed: Callable[[float], None],
        noticed: Callable[[Node, float, float], None],
        ends: Callable[[Node, float], None],
    ) -> None:
        cold = scenario.workloads[0].scenario.hardware.cold_start
        self._scenario = scenario
        self._agenda = agenda
        self._became_ready = became_ready
        self._removed = removed
        self._noticed = noticed
        self._ends = ends
        self.sources = {
            each.name: Source(
                each, each.node or cold.node, each.gpu if each.node else cold.gpu, seed_of(scenario.seed, index)
            )
            for index, each in enumerate(scenario.offerings)
        }
        self.launched = 0
        self.switches = 0
        self.all: list[Node] = []

    def launch(self, offering: str, models: Iterable[Model], now_seconds: float) -> Node:
        """The cloud begins with a node; the head of the node stage has passed already. `models` are of the pods it is for."""
        source = self.sources[offering]
        ordinal, seed = source.launched, source.seed
        seconds = draw_seconds(source.node, StageKind.NODE, ordinal, seed) - self._scenario.reaction_seconds
        registered_seconds = now_seconds + max(0.0, seconds)
        ready_seconds = registered_seconds + draw_seconds(source.gpu, StageKind.GPU, ordinal, seed)
        node = self._add(source, now_seconds, registered_seconds, ready_seconds)
        for model in models:
            weights = model.actuators.weights is not WeightsMethod.NONE
            self.bring(node, model, registered_seconds, image=model.actuators.pre_pull, weights=weights)
        self._agenda.at(node.ready_seconds, partial(self._ready, node))
        return node

    def add_prepared(self, offering: str, model: Model, now_seconds: float) -> Node:
        """A node that is up, with the image, the weights and what the engine compiles on its disk."""
        node = self._add(self.sources[offering], now_seconds, now_seconds, now_seconds)
        node.disk.add_image(model, now_seconds, now_seconds, set())
        node.disk.add_weights(model, now_seconds, now_seconds, set()).ahead_seconds = now_seconds
        node.disk.compiled(model).seconds = now_seconds
        return node

    def _add(self, source: Source, now_seconds: float, registered_seconds: float, ready_seconds: float) -> Node:
        offering = source.offering
        node = Node(
            f"gpu-node-{self.launched}",
            self.launched,
            offering.name,
            offering.price_per_gpu_hour,
            now_seconds,
            registered_seconds,
            ready_seconds,
            offering.gpus_per_node,
            Disk(self._scenario.disk_bytes),
            free_gpus=offering.gpus_per_node,
        )
        source.launched += 1
        self.launched += 1
        self.all.append(node)
        reclaims = self._scenario.reclaims
        if reclaims is not None and offering.kind is OfferingKind.SPOT:
            life = draw_life_seconds(reclaims.mean_seconds_between, source.launched, source.seed)
            self._agenda.at(now_seconds + life, partial(self._notice, node, now_seconds + life))
        return node

    # ---------------------------------------------------------------- what is on the disk

    def bring(self, node: Node, model: Model, at_seconds: float, *, image: bool, weights: bool) -> None:
        """Begin with the image and the weights, without a pod, where they are neither there nor on their way."""
        method, cold = model.actuators.weights, model.hardware.cold_start
        image = image and node.disk.image(model) is None
        weights = weights and node.disk.weights(model) is None
        queued = method is WeightsMethod.IMAGE  # behind the pull of the engine's image; else beside it
        at_once = image and weights and not queued and cold.image is not None and cold.weights is not None
        factor = CONTENTION if at_once else 1.0
        if image:
            self._pull(node, model, at_seconds, factor)
        if weights:
            begun_seconds = max(at_seconds, node.disk.pulls_until_seconds) if queued else at_seconds
            there_seconds = begun_seconds + factor * self._weights_seconds(node, model, node.ordinal)
            if queued:
                node.disk.pulls_until_seconds = there_seconds
            copy = node.disk.add_weights(model, there_seconds, at_seconds, node.in_use)
            copy.ahead_seconds = there_seconds

    def _pull(self, node: Node, model: Model, at_seconds: float, factor: float) -> None:
        begun_seconds = max(at_seconds, node.disk.pulls_until_seconds)
        seconds = draw_seconds(model.hardware.cold_start.image, StageKind.IMAGE, node.ordinal, model.seed)
        there_seconds = begun_seconds + factor * self._slowness(node, model) * seconds
        node.disk.pulls_until_seconds = there_seconds
        node.disk.add_image(model, there_seconds, at_seconds, node.in_use)

    def _slowness(self, node: Node, model: Model) -> float:
        return draw_slowness(model.hardware.slowness_sigma, node.ordinal, self._scenario.seed)

    def _weights_seconds(self, node: Node, model: Model, ordinal: int) -> float:
        drawn = draw_seconds(model.hardware.cold_start.weights, StageKind.WEIGHTS, ordinal, model.seed)
        return self._slowness(node, model) * drawn

    # ---------------------------------------------------------------- units

    def bind(self, unit: Unit, node: Node, now_seconds: float) -> None:
        """Put a unit on a node with a free place, and plan its stages."""
        node.units.append(unit)
        node.free_gpus -= unit.gpus
        node.empty_since_seconds = math.inf
        unit.node, unit.scheduled_seconds = node, now_seconds
        if not isinstance(unit, ModelUnit):
            unit.image_seconds = now_seconds
            return
        model = unit.model
        fetched = isinstance(unit, Pod) and model.actuators.weights is not WeightsMethod.NONE
        self.bring(node, model, now_seconds, image=True, weights=fetched)
        node.disk.used(model, now_seconds)
        unit.image_seconds = max(now_seconds, node.disk.image_seconds(model))
        if isinstance(unit, Pod):
            unit.started_seconds = self._loaded(unit, node)
            unit.ready_seconds = unit.started_seconds + self._warmup_seconds(unit, node)
            self.switches += node.last_model not in (None, model)
            node.last_model = model

    def _loaded(self, pod: Pod, node: Node) -> float:
        """When the weights are there; a pod waits for those that come without it, else gets them itself."""
        copy = node.disk.weights(pod.model)
        if copy is not None and copy.seconds <= pod.image_seconds:
            return pod.image_seconds
        if copy is not None and copy.ahead_seconds < math.inf:
            return copy.seconds
        loaded_seconds = pod.image_seconds + self._weights_seconds(node, pod.model, pod.ordinal)
        if copy is None:
            node.disk.add_weights(pod.model, loaded_seconds, pod.scheduled_seconds, node.in_use)
        else:
            copy.seconds = min(copy.seconds, loaded_seconds)
        return loaded_seconds

    def _warmup_seconds(self, pod: Pod, node: Node) -> float:
        model = pod.model
        hardware, stage, compiled = model.hardware, model.hardware.cold_start.warmup, node.disk.compiled(model)
        kept = model.actuators.compile_cache is not CompileCache.NONE and compiled.seconds <= pod.started_seconds
        if kept and hardware.cached_warmup is not None:
            stage = hardware.cached_warmup
        share = hardware.process_seconds / stage.p50_seconds
        drawn = draw_seconds(stage, StageKind.WARMUP, pod.ordinal, model.seed)
        seconds = drawn * (1.0 + share * (self._slowness(node, model) - 1.0))
        compiled.seconds = min(compiled.seconds, pod.started_seconds + seconds)
        return seconds

    def free(self, unit: Unit, now_seconds: float) -> None:
        """Take a unit off its node. A pull of the image goes on without it; a download of weights ends with its pod."""
        node = unit.node
        if node is None:
            return
        node.units.remove(unit)
        node.free_gpus += unit.gpus
        unit.node = None
        if isinstance(unit, Pod):
            node.disk.used(unit.model, now_seconds)
            self._forget(unit, node, now_seconds)
        self._if_empty(node, now_seconds)

    def _forget(self, pod: Pod, node: Node, now_seconds: float) -> None:
        """What only this pod would have left behind never comes."""
        copy = node.disk.weights(pod.model)
        if copy is not None and copy.ahead_seconds == math.inf and copy.seconds == pod.started_seconds > now_seconds:
            copy.seconds = min((other.started_seconds for other in _replicas(node, pod.model)), default=math.inf)
            if copy.seconds == math.inf:
                node.disk.drop_weights(pod.model)
        compiled = node.disk.compiled(pod.model)
        if compiled.seconds == pod.ready_seconds > now_seconds:
            sharing = [each for each in self.all if each.disk.compiled(pod.model) is compiled]
            ready = (other.ready_seconds for each in sharing for other in _replicas(each, pod.model))
            compiled.seconds = min(ready, default=math.inf)

    def free_place(self, unit: Unit, now_seconds: float) -> Node | None:
        """The best node for a unit: weights on its disk, then the image, then the oldest."""
        return _best(unit, [node for node in self.all if node.takes(unit, node.free_gpus, now_seconds)], now_seconds)

    def preemptible(self, unit: Unit, now_seconds: float) -> Node | None:
        """The best node on which the unit fits once standby gives way, by what it holds."""
        able = [
            node for node in self.all if (low := _low(node)) and node.takes(unit, node.free_gpus + low, now_seconds)
        ]
        return _best(unit, able, now_seconds)

    # ---------------------------------------------------------------- the end of a node

    def _ready(self, node: Node) -> None:
        self._became_ready(node.ready_seconds)
        self._if_empty(node, node.ready_seconds)

    def _if_empty(self, node: Node, now_seconds: float) -> None:
        if not node.units and node.notice_seconds > now_seconds:
            node.empty_since_seconds = now_seconds
            removal_seconds = self._removal_seconds(now_seconds)
            self._agenda.at(removal_seconds, partial(self._remove_empty, node, now_seconds, removal_seconds))

    def _removal_seconds(self, empty_since_seconds: float) -> float:
        autoscaler = self._scenario.autoscaler
        if not isinstance(autoscaler, ClusterAutoscaler):
            return empty_since_seconds + autoscaler.idle_seconds
        unneeded_since_seconds = aligned(empty_since_seconds, autoscaler.scan_seconds)
        return unneeded_since_seconds + autoscaler.unneeded_seconds

    def _remove_empty(self, node: Node, empty_since_seconds: float, now_seconds: float) -> None:
        if node.empty_since_seconds == empty_since_seconds and node in self.all and node.notice_seconds > now_seconds:
            self._remove(node, now_seconds)

    def _remove(self, node: Node, now_seconds: float) -> None:
        node.empty_since_seconds = math.inf
        self.all.remove(node)
        self.sources[node.offering].ended_gpu_seconds += (now_seconds - node.launched_seconds) * node.gpus
        self._removed(now_seconds)

    def _notice(self, node: Node, now_seconds: float) -> None:
        """The cloud says that it takes the node back."""
        reclaims = self._scenario.reclaims
        if node in self.all and reclaims is not None:
            node.notice_seconds = now_seconds
            self.sources[node.offering].reclaimed += 1
            end_seconds = now_seconds + reclaims.notice_seconds
            self._agenda.at(end_seconds, partial(self._take_back, node, end_seconds))
            self._noticed(node, now_seconds, end_seconds)

    def _take_back(self, node: Node, now_seconds: float) -> None:
        if node in self.all:
            self._ends(node, now_seconds)
            self._remove(node, now_seconds)

    # ---------------------------------------------------------------- the bill

    def gpu_seconds(self, offering: str, now_seconds: float) -> float:
        """Billed up to now: from launch to removal, whatever the GPUs did."""
        alive = [node for node in self.all if node.offering == offering]
        return self.sources[offering].ended_gpu_seconds + sum(
            [(now_seconds - node.launched_seconds) * node.gpus for node in alive]
        )


def _low(node: Node) -> int:
    """GPUs held by what gives way to a replica."""
    return sum([unit.gpus for unit in node.units if isinstance(unit, (Balloon, Standby))])


def _replicas(node: Node, model: Model) -> list[Pod]:
    return [unit for unit in node.units if isinstance(unit, Pod) and unit.model is model]


def _best(unit: Unit, able: list[Node], now_seconds: float) -> Node | None:
    if isinstance(unit, ModelUnit):
        model = unit.model
        return max(able, key=lambda node: (*node.disk.caches(model, now_seconds), -node.ordinal), default=None)
    return min(able, key=lambda node: node.ordinal, default=None)
