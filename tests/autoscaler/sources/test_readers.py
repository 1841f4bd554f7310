"""Readers in processes of their own: how the pods are shared, and what becomes of a reader that fails."""

import signal
from collections import Counter

import pytest

from autoscaler.clock import WallClock
from autoscaler.kube.objects import Key
from autoscaler.sources import reader_process
from autoscaler.sources.errors import SourceErrorKind
from autoscaler.sources.readers import Readers, needed, place
from tests.autoscaler.sources.scraping import running, until
from tests.support.fake_vllm import fake_vllm


async def test_a_reader_that_is_killed_is_replaced_and_its_samples_stay() -> None:
    """Two starts of a process take 0.5 s each; it stays in the default run as the one test of a real reader."""
    async with fake_vllm() as vllm:
        scraper = Readers(WallClock(), 0.1, 1)
        scraper.targets(vllm.addresses("a"))
        async with running(scraper):
            await until(lambda: Key("ns", "a") in scraper.latest)
            process = scraper._readers[0].process
            assert process is not None
            process.kill()
            await until(lambda: scraper._readers[0].process is not process)
            known = scraper.latest[Key("ns", "a")]
            await until(lambda: scraper.latest[Key("ns", "a")].at_seconds > known.at_seconds)
