"""A contender sees the present of a cluster, and never the world behind it."""

from collections.abc import Iterator
from enum import Enum
from inspect import signature

import numpy as np

from policies.model import PodSample
from policies.supply import Supply
from replay.contenders.view import View
from replay.scenario.scenario import Scenario
from replay.sim.readings import Readings
from replay.sim.views import BalloonView, NodeView, PodView, RequestLog, Score, Timeline
from replay.sim.world import World
from replay.traces.trace import Requests
from tests.replay.sim.scenarios import START, scenario

COMMANDS = {"scale", "create_balloon", "delete_balloon"}
SHOWN = {View, PodView, NodeView, BalloonView, Readings, PodSample, Supply}
HIDDEN = {RequestLog, Score, Timeline}  # of the modules that a view's values come from
MODULES = {type(None).__module__, *(kind.__module__ for kind in SHOWN)}


def reachable(value: object) -> Iterator[object]:
    """The value, and all that its public attributes and its methods without arguments lead to."""
    yield value
    if isinstance(value, tuple):
        for each in value:
            yield from reachable(each)
    elif type(value).__module__.partition(".")[0] in {"replay", "policies", "tests"} and not isinstance(value, Enum):
        for name in sorted(set(dir(value)) - COMMANDS):
            found = getattr(value, name)
            if name.startswith("_") or (callable(found) and signature(found).parameters):
                continue
            yield from reachable(found() if callable(found) else found)


def kinds(view: View) -> set[type]:
    return {type(each) for each in reachable(view) if not isinstance(each, Enum)}


def busy_world() -> World:
    """Replicas on every rung, requests that run and wait, a balloon with a node and one without."""
    world = World(scenario(np.arange(0.0, 3600.0, 0.2), prompt=900, output=220, replicas=2))
    world.create_balloon("first", 1800.0)
    world.advance(START + 300.0)
    world.scale(5)
    world.create_balloon("second", 1800.0)
    world.advance(START + 310.0)
    return world


def test_nothing_that_a_view_leads_to_is_of_the_traffic_its_outcome_or_the_hardware() -> None:
    """Takes half a second, since it follows every attribute to its end: no other test keeps a contender from the future."""
    found = kinds(View(busy_world()))
    assert found >= SHOWN
    assert not found & HIDDEN
    assert {kind.__module__ for kind in found} <= MODULES


def test_a_view_that_leaked_its_scenario_would_be_found() -> None:
    class Leaky(View):
        def scenario(self) -> Scenario:
            return scenario([0.0])

    assert {Scenario, Requests, np.ndarray} <= kinds(Leaky(busy_world()))


def test_a_view_shows_the_world_as_it_is_and_changes_it() -> None:
    world = busy_world()
    view = View(world)
    assert (view.now_seconds, view.spec_replicas) == (START + 310.0, 5)
    assert (view.pods(), view.nodes(), view.balloons()) == (world.pods(), world.nodes(), world.balloons())
    assert (view.samples(), view.supply()) == (world.samples(), world.supply())
    view.scale(3)
    view.delete_balloon("second")
    view.create_balloon("third", 60.0)
    assert world.spec_replicas == 3
    assert [each.name for each in world.balloons()] == ["first", "third"]
