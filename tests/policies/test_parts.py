"""A cold start from the ledger's parts, and the parts of a given one."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.ladder import lead_quantile_seconds
from policies.ledger import Key, Ledger, Observation, observe
from policies.parts import cold_start, part_priors
from policies.starts import WARMUP_PARTS, Part
from policies.supply import NORMAL_P95, ColdStart, Stage, StageName

NODE, GPU, IMAGE, WEIGHTS, WARMUP = (
    Stage(75.0, 166.0),
    Stage(37.0, 110.0),
    Stage(230.0, 330.0),
    Stage(60.0, 150.0),
    Stage(149.0, 204.0),
)
WITHOUT_GPU = ColdStart(NODE, IMAGE, WEIGHTS, WARMUP, ahead=(StageName.IMAGE,))
WITH_GPU = ColdStart(Stage(38.0, 92.0), IMAGE, WEIGHTS, WARMUP, gpu=GPU)
KEYS: dict[Part, Key] = {part: ("pool", part.value) for part in Part}


def after(seconds: dict[Part, float], times: int = 40, prior: ColdStart = WITHOUT_GPU) -> Ledger:
    ledger = Ledger()
    for part, each in seconds.items():
        for _ in range(times):
            ledger = observe(ledger, Observation(part, KEYS[part], each), part_priors(prior)[part])
    return ledger


def p50s(*stages: Stage | None) -> Sequence[float]:
    return [stage.p50_seconds for stage in stages if stage is not None]


@pytest.mark.parametrize("prior", [WITHOUT_GPU, WITH_GPU, ColdStart(NODE, None, None, WARMUP)])
def test_what_was_not_seen_is_the_priors(prior: ColdStart) -> None:
    assert cold_start(Ledger(), KEYS, prior) == prior
    assert cold_start(after({Part.IMAGE: 100.0}), {}, prior) == prior


def test_each_stage_is_learned_alone_and_what_the_policy_asks_for_stays() -> None:
    found = cold_start(after({Part.IMAGE: 100.0}), KEYS, WITHOUT_GPU)
    assert p50s(found.image) == pytest.approx([100.0], rel=0.02)
    assert (found.node, found.gpu, found.weights, found.warmup, found.ahead) == (
        NODE,
        None,
        WEIGHTS,
        WARMUP,
        (StageName.IMAGE,),
    )
    assert cold_start(after({Part.IMAGE: 100.0}), KEYS, ColdStart(NODE, None, WEIGHTS, WARMUP)).image is None


def test_the_node_is_reaction_and_registration() -> None:
    found = cold_start(after({Part.REACTION: 5.0, Part.NODE: 50.0}, prior=WITH_GPU), KEYS, WITH_GPU)
    assert p50s(found.node, found.gpu) == pytest.approx([55.0, 37.0], rel=0.02)


def test_a_node_of_which_no_request_is_seen_is_seen_from_the_need_on() -> None:
    found = cold_start(after({Part.NODE: 50.0}, prior=WITH_GPU), KEYS, WITH_GPU)
    assert p50s(found.node) == pytest.approx([50.0], rel=0.02)


def test_a_node_until_its_gpu_is_split_once_gpus_were_seen() -> None:
    whole = cold_start(after({Part.REACTION: 2.0, Part.NODE: 36.0}), KEYS, WITHOUT_GPU)
    assert whole.gpu is None
    assert whole.node.p50_seconds > 38.0 + 25.0
    split = cold_start(after({Part.REACTION: 2.0, Part.NODE: 36.0, Part.GPU: 30.0}), KEYS, WITHOUT_GPU)
    assert p50s(split.node, split.gpu) == pytest.approx([38.0, 30.0], rel=0.02)
    gpu_alone = cold_start(after({Part.GPU: 30.0}), KEYS, WITHOUT_GPU)
    assert p50s(gpu_alone.gpu) == pytest.approx([30.0], rel=0.02)
    assert 25.0 < gpu_alone.node.p50_seconds < 50.0


def test_the_warm_up_is_learned_whole_unless_its_parts_were_seen_more_often() -> None:
    parts = dict.fromkeys(WARMUP_PARTS, 10.0)
    assert p50s(cold_start(after(parts), KEYS, WITHOUT_GPU).warmup) == pytest.approx([50.0], rel=0.02)
    assert p50s(cold_start(after(parts | {Part.WARMUP: 60.0}), KEYS, WITHOUT_GPU).warmup) == pytest.approx(
        [60.0], rel=0.02
    )


@given(st.floats(1.0, 1000.0), st.floats(1.0, 8.0), st.floats(1.0, 1000.0), st.floats(1.0, 8.0))
def test_the_parts_of_a_given_start_add_up_to_it(node: float, wider: float, warmup: float, widest: float) -> None:
    prior = ColdStart(Stage(node, node * wider), None, None, Stage(warmup, warmup * widest))
    parts = part_priors(prior)
    assert parts.keys() == set(Part) - {Part.IMAGE, Part.WEIGHTS}
    assert all(0.0 < part.p50_seconds <= part.p95_seconds for part in parts.values())
    whole = ColdStart(parts[Part.REACTION], parts[Part.GPU], None, parts[Part.NODE])
    for normal_quantile in (0.0, NORMAL_P95):
        assert lead_quantile_seconds(whole, (), normal_quantile) == pytest.approx(
            lead_quantile_seconds(
                ColdStart(prior.node, None, None, prior.warmup), (StageName.WARMUP,), normal_quantile
            ),
            rel=1e-3,
        )
