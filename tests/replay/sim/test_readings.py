"""Columns of the fleet's readings say the same as an object for each pod."""

from dataclasses import astuple, replace

import numpy as np
import pytest

from policies import bound
from policies.model import Filters, PodMark
from policies.series import late_after_seconds
from replay.sim.readings import Marks
from replay.sim.world import World
from tests.replay.sim.scenarios import START, scenario


def a_world() -> World:
    """Two replicas with a queue, and a third that becomes ready after six minutes or so."""
    world = World(scenario(np.arange(0.0, 900.0, 0.1), prompt=900, output=220, replicas=2))
    world.advance(START + 60.0)
    world.scale(3)
    return world


def marked(world: World, *, comparable: bool = True) -> Filters:
    marks = [PodMark(sample, comparable) for sample in world.samples()]
    return Filters(tick_seconds=world.now_seconds, marks=tuple(marks))


def test_sums_by_column_are_the_sums_over_the_samples() -> None:
    world = a_world()
    for at in (75.0, 400.0, 700.0):
        filters = marked(world)
        world.advance(START + at)
        readings = world.readings()
        by_column = readings.sums(filters, Marks(filters.marks))
        by_sample = bound.sums(filters, readings.samples)
        assert by_column.witness == by_sample.witness is not None
        numbers = astuple(replace(by_column, witness=None))[:-1]
        assert numbers == pytest.approx(astuple(replace(by_sample, witness=None))[:-1], rel=1e-12)
        assert by_column.stayed > 0.0


def test_a_mark_that_nothing_can_be_compared_with_adds_no_growth() -> None:
    world = a_world()
    filters = marked(world, comparable=False)
    world.advance(START + 75.0)
    readings = world.readings()
    found = readings.sums(filters, Marks(filters.marks))
    assert found == bound.sums(filters, readings.samples)
    assert (found.stayed, found.waiting > 0.0) == (0.0, True)


def test_a_counter_that_a_mark_lacks_is_not_taken_for_zero() -> None:
    world = a_world()
    filters = marked(world)
    lacking = tuple(replace(mark, reading=replace(mark.reading, finished_total=None)) for mark in filters.marks)
    world.advance(START + 75.0)
    assert not world.readings().sums(filters, Marks(lacking)).finite


def test_the_total_of_columns() -> None:
    world = a_world()
    samples = world.samples()
    assert world.readings().total("running", "waiting") == sum(
        (each.running or 0.0) + (each.waiting or 0.0) for each in samples
    )
    assert World(scenario([0.0], replicas=0)).readings().total("waiting") is None


@pytest.mark.parametrize("queue_wait_seconds", [0.5, 1.0, 4.0, 5.0])
def test_late_requests_are_those_that_finished_after_a_longer_wait(queue_wait_seconds: float) -> None:
    world = a_world()
    bound = late_after_seconds(queue_wait_seconds) or 0.0
    for at in (100.0, 250.0, 500.0, 900.0):
        world.advance(START + at)
        log, samples = world.requests(), world.readings().judged(queue_wait_seconds)
        for place, sample in enumerate(samples):
            finished = (log.pod == place) & (log.finish_s <= at)
            late = finished & (log.wait_seconds > bound)
            assert (sample.queue_times_total, sample.late_total) == (finished.sum(), late.sum())
    assert 0 < sum(sample.late_total or 0.0 for sample in samples) < sum(s.queue_times_total or 0.0 for s in samples)


def test_a_queue_wait_below_all_buckets_counts_no_late_requests() -> None:
    world = a_world()
    assert world.readings().judged(0.2) == world.readings().samples


def test_time_before_the_fleet_is_none_in_a_queue() -> None:
    world = World(scenario([0.0], replicas=0))
    world.scale(1)
    world.advance(START + 3600.0)
    (sample,) = world.readings().judged(5.0)
    assert (sample.queue_times_total, sample.late_total) == (1.0, 0.0)
