"""A reader of /metrics knows what was, not what is."""

from replay.sim.scrape import Scraper
from replay.sim.world import World

from .scenarios import START, scenario


def test_readings_lie_on_the_grid_and_are_known_later() -> None:
    world = World(scenario([0.0]))
    scraper = Scraper(world, interval_seconds=15.0, delay_seconds=4.0)
    ages = []
    for seconds in (3.0, 4.0, 15.0, 18.9, 19.0, 60.0):
        scraper.advance(START + seconds)
        assert world.now_seconds == START + seconds
        ages.append([sample.at_seconds - START for sample in scraper.latest])
    assert ages == [[], [0.0], [0.0], [0.0], [15.0], [45.0]]
