"""The picture in the documentation is the one that `make picture` writes."""

from pathlib import Path

import pytest

from replay.commands.still import picture

PICTURE = Path(__file__).parents[3] / "docs" / "demo.svg"


@pytest.mark.slow  # 3 s: it plays twenty minutes of traffic and fits twice
def test_the_committed_picture_is_the_one_that_is_made() -> None:
    made = picture()
    assert "http://" not in made.replace("http://www.w3.org/2000/svg", "")
    assert made == PICTURE.read_text(encoding="utf-8"), "run make picture"
