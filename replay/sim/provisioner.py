"""The autoscaler of nodes: which nodes are created for the units that wait, and from which offering.

What waits and fits on nothing that exists or is in flight makes it ask for nodes, `reaction_seconds` later or at the next scan.
Each is asked of the first offering that the unit can land on, that is below its limits, and that has not refused lately.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from replay.scenario.cluster import ClusterAutoscaler, ClusterScenario
from replay.sim.agenda import Agenda, aligned
from replay.sim.nodes import Nodes
from replay.sim.stock import Stock
from replay.sim.units import ModelUnit, Unit


@dataclass(eq=False)
class Claim:
    """A node that is missing, and the units it is for."""

    offering: str
    free_gpus: int
    units: list[Unit] = field(default_factory=list)


@dataclass(eq=False)
class Refusals:
    """What is remembered of an offering that refused."""

    count: int = 0
    last_seconds: float | None = None
    until_seconds: float = -math.inf  # it is not asked before
    backoff_seconds: float = 0.0  # the last one


class Provisioner:
    """Creates nodes. `waiting` gives the units without a node, in order; `launched` is called with those a new node is for."""

    def __init__(
        self,
        scenario: ClusterScenario,
        agenda: Agenda,
        nodes: Nodes,
        *,
        waiting: Callable[[float], list[Unit]],
        launched: Callable[[list[Unit]], None],
    ) -> None:
        self._scenario = scenario
        self._agenda = agenda
        self._nodes = nodes
        self._waiting = waiting
        self._launched = launched
        self._stock = Stock(scenario)
        self._planned = False
        self.claims: list[Claim] = []  # asked for, and about to be refused
        self.refusals = {each.name: Refusals() for each in scenario.offerings}

    def look(self, now_seconds: float) -> None:
        """Plan to create nodes where some are missing."""
        if self._planned or not self._missing(now_seconds):
            return
        self._planned = True
        autoscaler = self._scenario.autoscaler
        if isinstance(autoscaler, ClusterAutoscaler):
            due_seconds = aligned(now_seconds, autoscaler.scan_seconds)
        else:
            due_seconds = now_seconds + self._scenario.reaction_seconds
        self._agenda.at(due_seconds, partial(self._create, due_seconds))

    def _create(self, now_seconds: float) -> None:
        self._planned = False
        for claim in self._missing(now_seconds):
            if self._stock.refuses(claim.offering, now_seconds):
                self.claims.append(claim)
                refused_seconds = now_seconds + self._scenario.autoscaler.refusal_seconds
                self._agenda.at(refused_seconds, partial(self._refused, claim, refused_seconds))
                continue
            models = {unit.model.name: unit.model for unit in claim.units if isinstance(unit, ModelUnit)}
            self._nodes.launch(claim.offering, models.values(), now_seconds)
            self._launched(claim.units)

    def _refused(self, claim: Claim, now_seconds: float) -> None:
        self.claims.remove(claim)
        known, autoscaler = self.refusals[claim.offering], self._scenario.autoscaler
        before_seconds, known.last_seconds = known.last_seconds, now_seconds
        known.count += 1
        if isinstance(autoscaler, ClusterAutoscaler):
            again = before_seconds is not None and now_seconds - before_seconds < autoscaler.reset_seconds
            if now_seconds < known.until_seconds:
                return
            doubled = min(2 * known.backoff_seconds, autoscaler.longest_backoff_seconds)
            known.backoff_seconds = doubled if again else autoscaler.backoff_seconds
        else:
            known.backoff_seconds = autoscaler.remember_seconds
        known.until_seconds = now_seconds + known.backoff_seconds
        self._agenda.at(known.until_seconds, partial(self.look, known.until_seconds))
        self.look(now_seconds)

    # ---------------------------------------------------------------- what is missing

    def _missing(self, now_seconds: float) -> list[Claim]:
        """The nodes to create now. Units are put where they fit first: on what is in flight, then on what is to be created."""
        waiting = self._waiting(now_seconds)
        if not waiting:
            return []
        in_flight = [
            Claim(node.offering, node.gpus)
            for node in self._nodes.all
            if node.ready_seconds > now_seconds and node.notice_seconds > now_seconds
        ]
        rooms = in_flight + [Claim(claim.offering, self._gpus(claim.offering)) for claim in self.claims]
        existing = len(rooms)
        left = self._limits()
        passed: dict[object, int] = {}  # units of one kind fit on none of the rooms before
        for unit in waiting:
            kind = unit.model if isinstance(unit, ModelUnit) else unit.offerings
            at = passed.get(kind, 0)
            while at < len(rooms) and not self._fits(unit, rooms[at]):
                at += 1
            passed[kind] = at
            if at == len(rooms):
                offering = next(self._open(unit, left, now_seconds), None)
                if offering is None:
                    continue
                left.take(offering, self._gpus(offering))
                rooms.append(Claim(offering, self._gpus(offering)))
            rooms[at].free_gpus -= unit.gpus
            rooms[at].units.append(unit)
        return rooms[existing:]

    def _fits(self, unit: Unit, room: Claim) -> bool:
        return room.free_gpus >= unit.gpus and room.offering in unit.offerings

    def first_open(self, unit: Unit, now_seconds: float) -> str | None:
        """The offering that would be asked for a node for that unit; None: none can be."""
        return next(self._open(unit, self._limits(), now_seconds), None)

    def _open(self, unit: Unit, left: "Left", now_seconds: float) -> Iterator[str]:
        """The offerings that can be asked for a node for that unit, in order."""
        for name in unit.offerings:
            if left.has(name, self._gpus(name)) and self.refusals[name].until_seconds <= now_seconds:
                yield name

    def _gpus(self, offering: str) -> int:
        return self._nodes.sources[offering].offering.gpus_per_node

    def _limits(self) -> "Left":
        held = [(node.offering, node.gpus) for node in self._nodes.all]
        held += [(claim.offering, self._gpus(claim.offering)) for claim in self.claims]
        left = Left(
            {each.name: each.max_nodes for each in self._scenario.offerings},
            math.inf if self._scenario.max_gpus is None else self._scenario.max_gpus,
        )
        for offering, gpus in held:
            left.take(offering, gpus)
        return left


@dataclass
class Left:
    """What the limits still allow: nodes of each offering, and GPUs of all."""

    nodes: dict[str, int]
    gpus: float

    def has(self, offering: str, gpus: int) -> bool:
        """Whether one more node of it is allowed."""
        return self.nodes[offering] > 0 and self.gpus >= gpus

    def take(self, offering: str, gpus: int) -> None:
        """One node more exists."""
        self.nodes[offering] -= 1
        self.gpus -= gpus
