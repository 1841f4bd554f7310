"""Points of an export that are not pairs."""

from pathlib import Path

import pytest

from replay.traces.prometheus import read_page
from replay.traces.trace import TraceError


@pytest.mark.parametrize("points", ["[[0,1,2],[3,4,5]]", "[[0],[1]]", "[0,1]", "[[[0,1]],[[2,3]]]"])
def test_only_pairs_are_points(points: str) -> None:
    """Two points of three numbers are six numbers, as are three pairs."""
    series = f'[{{"metric":{{"__name__":"vllm:request_success_total","pod":"a"}},"values":{points}}}]'
    with pytest.raises(TraceError, match=r"is not a \[time, value\] pair"):
        read_page(Path("a.json"), series.encode())
