"""Settings and fixtures for every test."""

import gc
import os
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from autoscaler.entry import one_thread_each

one_thread_each()

# The same examples every time, so that only a change can break a test. `thorough` is for the slow run. `explore` looks for
# OUTRIDER_SCHEDULES new ones, and prints how to repeat a failing one.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=20)
settings.register_profile("thorough", derandomize=True, deadline=None, max_examples=300)
schedules = os.environ.get("OUTRIDER_SCHEDULES") or "2000"
if not schedules.isdecimal() or int(schedules) < 1:
    raise pytest.UsageError(f"SCHEDULES={schedules} is not a number of histories: write SCHEDULES=2000")
settings.register_profile("explore", deadline=None, max_examples=int(schedules), print_blob=True)
settings.load_profile(os.environ.get("OUTRIDER_HYPOTHESIS", "repeatable"))

# The default draws each traceback with its local variables, which takes 0.2 s.
structlog.get_config()["processors"][-1] = structlog.dev.ConsoleRenderer(
    exception_formatter=structlog.dev.plain_traceback
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests wait for sockets and processes, and one of the slow tests for three minutes."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """What is imported stays: the garbage collector need not look through it again and again."""
    gc.freeze()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with recorded metrics and real traces. Tests that need it skip where it is absent."""
    folder = Path(os.environ.get("OUTRIDER_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder}; set OUTRIDER_SHARED")
    return folder
