"""The cheapest cover of a known need, against every cover that there is."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.contenders.schedule import Billing, billed_seconds, cheapest

NEEDS = st.lists(st.integers(0, 3), min_size=1, max_size=6)
COSTS = st.integers(0, 60).map(float)


@given(needs=NEEDS, initial=st.integers(0, 3), start_seconds=COSTS, stop_seconds=COSTS)
def test_no_cover_of_a_need_is_cheaper(
    needs: list[int], initial: int, start_seconds: float, stop_seconds: float
) -> None:
    needed, billing = np.array(needs), Billing(10.0, start_seconds, stop_seconds)
    found = cheapest(needed, initial, billing)
    assert (found >= needed).all()
    most = max(*needs, initial)
    covers = product(*(range(need, most + 1) for need in needs))
    least = min(billed_seconds(np.array(cover), initial, billing) for cover in covers)
    assert billed_seconds(found, initial, billing) == pytest.approx(least)


def test_a_gap_is_kept_up_to_the_cost_of_a_restart() -> None:
    needed = np.array([2, 1, 1, 2, 0, 0, 0, 1])
    assert cheapest(needed, 2, Billing(10.0, 15.0, 5.0)).tolist() == [2, 2, 2, 2, 0, 0, 0, 1]
    assert cheapest(needed, 2, Billing(10.0, 14.0, 5.0)).tolist() == [2, 1, 1, 2, 0, 0, 0, 1]
    assert cheapest(needed, 2, Billing(10.0, 15.0, 15.0)).tolist() == [2, 2, 2, 2, 1, 1, 1, 1]


def test_what_serves_at_the_start_is_kept_for_an_early_need() -> None:
    needed = np.array([0, 0, 1, 0])
    assert cheapest(needed, 1, Billing(10.0, 15.0, 5.0)).tolist() == [1, 1, 1, 0]
    assert cheapest(needed, 1, Billing(10.0, 10.0, 5.0)).tolist() == [0, 0, 1, 0]
    assert cheapest(needed, 0, Billing(10.0, 15.0, 5.0)).tolist() == [0, 0, 1, 0]


def test_the_bill_counts_what_starts_and_stops_up_to_the_end() -> None:
    billing = Billing(10.0, 7.0, 15.0)
    assert billed_seconds(np.array([1, 1, 1]), 1, billing) == 30.0
    assert (
        billed_seconds(np.array([0, 1, 0]), 1, billing) == 15.0 + 7.0 + 10.0 + 10.0
    )  # the end cuts the last stop short
