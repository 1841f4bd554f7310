"""What every test may ask for."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with recorded metrics and real traces. Tests that need it skip where it is absent."""
    folder = Path(os.environ.get("OUTRIDER_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder}; set OUTRIDER_SHARED")
    return folder
