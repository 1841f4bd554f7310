"""What every test may ask for."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples every time, so that a red run is a change's doing; OUTRIDER_HYPOTHESIS=explore looks further.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=60)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("OUTRIDER_HYPOTHESIS", "repeatable"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with recorded metrics and real traces. Tests that need it skip where it is absent."""
    folder = Path(os.environ.get("OUTRIDER_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder}; set OUTRIDER_SHARED")
    return folder
