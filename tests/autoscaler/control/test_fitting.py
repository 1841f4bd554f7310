"""Fits wait for each other without timing out, and a failed one does not affect the next."""

import asyncio
import multiprocessing
import os
import time

import numpy as np
import pytest

from autoscaler.control import fitting
from forecasting.series import Series
from forecasting.worth import Law
from tests.forecasting.traffic import LAW

SERIES = Series(0.0, 60.0, np.ones(40))


def busy(series: Series, _law: Law) -> Series:
    time.sleep(0.05)  # it stands for the work of a fit, in the fits' process
    return series


def dies(_series: Series, _law: Law) -> None:
    os._exit(1)


def fails(_series: Series, _law: Law) -> None:
    raise KeyError("a fault of ours")


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this module imports takes a second, which the fork server pays once."""
    multiprocessing.get_context("forkserver").set_forkserver_preload([__name__])
    monkeypatch.setattr(fitting, "fit", busy)


async def test_waiting_for_ones_turn_is_no_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start of the fork server takes 1 to 2 s; it stays in the default run since only real processes time out so."""
    with fitting.FitProcess() as pool:
        assert await pool.fit("ns/first", SERIES, LAW) is not None  # the process has started
        monkeypatch.setattr(fitting, "TIMEOUT_SECONDS", 0.4)
        found = await asyncio.gather(*(pool.fit(f"ns/{number}", SERIES, LAW) for number in range(10)))
    assert None not in found


async def test_a_fit_that_goes_wrong_is_none_and_the_next_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with fitting.FitProcess() as pool:
        for trouble in (fails, dies):
            with monkeypatch.context() as patched:
                patched.setattr(fitting, "fit", trouble)
                assert await pool.fit("ns/a", SERIES, LAW) is None
            assert await pool.fit("ns/a", SERIES, LAW) is not None
