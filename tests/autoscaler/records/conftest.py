from pathlib import Path

import pytest

from tests.autoscaler.records.logs import write_log


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A folder with one log file."""
    write_log(tmp_path)
    return tmp_path
