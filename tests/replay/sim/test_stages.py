"""Stage times have the quantiles that they are given, and are their own for each stage and ordinal."""

import numpy as np
import pytest

from policies.supply import Stage
from replay.sim.stages import StageKind, draw_seconds


def test_the_quantiles_are_those_of_the_stage() -> None:
    drawn = [draw_seconds(Stage(230.0, 330.0), StageKind.IMAGE, ordinal, 3) for ordinal in range(4000)]
    assert np.quantile(drawn, 0.5) == pytest.approx(230, rel=0.02)
    assert np.quantile(drawn, 0.95) == pytest.approx(330, rel=0.02)


def test_each_stage_and_ordinal_has_its_own_draws() -> None:
    stage = Stage(100.0, 200.0)
    drawn = {
        draw_seconds(stage, kind, ordinal, seed) for kind in StageKind for ordinal in range(5) for seed in range(3)
    }
    assert len(drawn) == len(StageKind) * 5 * 3
    assert draw_seconds(stage, StageKind.NODE, 1, 0) == draw_seconds(stage, StageKind.NODE, 1, 0)
