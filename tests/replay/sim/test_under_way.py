"""Only the requests that are under way have a row, and what became of the others is not lost."""

import numpy as np
import pytest

from replay.sim import under_way
from replay.sim.views import Waits
from replay.sim.world import World
from tests.replay.sim.scenarios import START, scenario

ARRIVALS = np.sort(np.random.default_rng(3).uniform(0.0, 900.0, 4000))


def played(replicas: list[int]) -> World:
    """Ten minutes in which the fleet is scaled each minute, some pods draining beyond the end."""
    world = World(scenario(ARRIVALS, prompt=900, output=220, replicas=2))
    for minute, count in enumerate(replicas):
        world.advance(START + 60.0 * (minute + 1))
        world.scale(count)
    world.advance(START + 60.0 * (len(replicas) + 1))
    return world


@pytest.mark.parametrize("replicas", [[2, 5, 3, 8, 1, 4, 2, 2, 1], [1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]])
def test_the_size_of_a_block_changes_nothing(replicas: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = played(replicas)
    monkeypatch.setattr(under_way, "BLOCK", 50)
    pieces = played(replicas)
    assert columns(pieces.waits()) == columns(whole.waits())
    assert pieces.waits().unfinished == whole.waits().unfinished > 0
    assert len(pieces.requests().arrival_s) < len(whole.requests().arrival_s)
    assert pieces.samples() == whole.samples()
    assert pieces.score().p99_wait_seconds == whole.score().p99_wait_seconds


def test_waits_can_be_asked_for_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_way, "BLOCK", 50)
    asked, unasked = (World(scenario(ARRIVALS, prompt=900, output=220, replicas=3)) for _ in range(2))
    for minute in range(1, 12):
        asked.advance(START + 60.0 * minute)
        asked.waits()
    unasked.advance(START + 660.0)
    assert columns(asked.waits()) == columns(unasked.waits())


def test_a_gateway_sees_what_passes_within_the_while() -> None:
    """Prefill takes 100 / 2,500 s and each of 49 further tokens 0.0364 s: the first ends at 11.8236, the last at 21.8236."""
    world = World(scenario([10.0, 20.0], prompt=100, output=50))
    world.advance(START + 21.0)
    seen = world.passed(10.0)
    assert (seen.arrived, seen.prompt_tokens, seen.finished, seen.output_tokens) == (1, 100, 1, 50)
    assert seen.first_token_seconds.tolist() == pytest.approx([0.04])
    assert seen.token_seconds.tolist() == pytest.approx([0.0364])
    world.advance(START + 21.9)
    assert (world.passed(12.0).arrived, world.passed(12.0).finished) == (2, 2)
    assert (world.passed(1.0).arrived, world.passed(1.0).finished) == (0, 1)


def test_a_gateway_sees_the_same_whatever_the_size_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    for block in (1 << 16, 50):
        monkeypatch.setattr(under_way, "BLOCK", block)
        world, seen = World(scenario(ARRIVALS, prompt=900, output=220, replicas=9)), []
        for second in range(15, 900, 15):
            world.advance(START + second)
            passed = world.passed(180.0)
            times = passed.first_token_seconds.tolist(), passed.token_seconds.tolist()
            seen.append((passed.arrived, passed.prompt_tokens, passed.finished, passed.output_tokens, *times))
        sizes.append(seen)
    assert sizes[0] == sizes[1]
    assert sizes[0][-1][2] > 100


def columns(waits: Waits) -> list[list[str]]:
    """The columns as text, so that one NaN equals another."""
    return [
        [str(value) for value in column.tolist()]
        for column in (waits.arrival_s, waits.wait_seconds, waits.first_token_seconds, waits.failed)
    ]
