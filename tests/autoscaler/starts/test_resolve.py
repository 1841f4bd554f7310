import pytest

from crds.profiles import PROFILES
from policies.keys import What, keys
from policies.ledger import Ledger, Observation, observe
from policies.resolve import cold_start, priors
from policies.seen import Place
from policies.starts import WARMUP_PARTS, Part
from policies.supply import ColdStart

PRIOR = PROFILES["8b-l4"].cold_start
WHAT = What("ns/chat", "vllm/vllm-openai:v0.19.1", Place("gpu", "g6.xlarge", "spot", "L4"))
APART = What("ns/chat", WHAT.image, WHAT.place, weights_apart=True)


def taught(what: What, part: Part, seconds: float, times: int = 20) -> ColdStart:
    ledger = Ledger()
    for _ in range(times):
        ledger = observe(ledger, Observation(part, keys(what)[part], seconds), priors(what, PRIOR)[part])
    return cold_start(ledger, what, PRIOR)


def test_nothing_seen_is_what_was_given_to_the_digit() -> None:
    assert cold_start(Ledger(), WHAT, PRIOR) == PRIOR
    assert cold_start(Ledger(), APART, PRIOR) == PRIOR
    assert cold_start(Ledger(), What("ns/chat"), PRIOR) == PRIOR


def test_an_image_that_is_pulled_faster() -> None:
    found = taught(WHAT, Part.IMAGE, 60.0)
    assert found.image is not None
    assert found.image.p50_seconds == pytest.approx(60.0, rel=0.35)
    assert (found.node, found.weights, found.warmup) == (PRIOR.node, PRIOR.weights, PRIOR.warmup)


def test_where_the_engine_loads_the_weights_their_sum_is_learned_and_each_has_its_share() -> None:
    assert PRIOR.weights is not None
    found = taught(WHAT, Part.WARMUP, 100.0)
    assert found.weights is not None
    whole = found.weights.p50_seconds + found.warmup.p50_seconds
    assert whole == pytest.approx(100.0, rel=0.2)  # not the weights of before on top of it
    assert found.weights.p50_seconds / found.warmup.p50_seconds == pytest.approx(
        PRIOR.weights.p50_seconds / PRIOR.warmup.p50_seconds
    )
    assert found.weights.p95_seconds >= found.weights.p50_seconds


def test_weights_that_are_got_apart_leave_the_warm_up_alone() -> None:
    found = taught(APART, Part.WARMUP, 100.0)
    assert found.weights == PRIOR.weights
    assert found.warmup.p50_seconds == pytest.approx(100.0, rel=0.2)


def test_keys_go_from_general_to_specific_and_a_part_of_which_nothing_is_known_has_none() -> None:
    warmup = ("ns/chat", "L4", "vllm/vllm-openai:v0.19.1")
    assert keys(APART) == {
        Part.REACTION: ("gpu", "g6.xlarge", "spot"),
        Part.NODE: ("gpu", "g6.xlarge", "spot"),
        Part.GPU: ("gpu", "g6.xlarge", "spot"),
        Part.IMAGE: ("ns/vllm/vllm-openai", "g6.xlarge", "v0.19.1"),
        Part.WEIGHTS: ("ns/chat", "init container"),
        **dict.fromkeys((*WARMUP_PARTS, Part.WARMUP), warmup),
    }
    assert keys(What("ns/chat")).keys() == {*WARMUP_PARTS, Part.WARMUP}
    assert keys(What("ns/chat", "registry:5000/vllm", Place("", "p5.48xlarge")))[Part.IMAGE] == (
        "ns/registry:5000/vllm",
        "p5.48xlarge",
        "latest",
    )
    assert keys(What("ns/chat", "vllm@sha256:ab", Place("", "p5.48xlarge")))[Part.NODE][0] == "p5"
    assert keys(What("ns/chat", "vllm:v1@sha256:ab"))[Part.IMAGE] == ("ns/vllm:v1", "", "sha256:ab")


def test_what_a_tenant_or_another_image_or_model_teaches_does_not_shorten_what_was_given() -> None:
    theirs = [What("other/tiny", image, WHAT.place, apart) for image in (WHAT.image, "tiny") for apart in (True, False)]
    theirs.append(What("ns/tiny", "tiny", WHAT.place))
    ledger = Ledger()
    for what in theirs * 20:
        for part, key in keys(what).items():
            if part not in (Part.REACTION, Part.NODE, Part.GPU) and part in priors(what, PRIOR):
                ledger = observe(ledger, Observation(part, key, 1.0), priors(what, PRIOR)[part])
    assert cold_start(ledger, WHAT, PRIOR) == PRIOR
    assert cold_start(ledger, APART, PRIOR) == PRIOR
