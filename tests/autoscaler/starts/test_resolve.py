import pytest

from crds.profiles import PROFILES
from policies.keys import Kept, What, compiled, keys
from policies.ledger import LONGEST, Ledger, Observation, observe
from policies.resolve import cold_start, priors
from policies.seen import Place
from policies.starts import WARMUP_PARTS, Part
from policies.supply import ColdStart
from policies.weights import Way

PRIOR = PROFILES["8b-l4"].cold_start
WHAT = What("ns/chat", "vllm/vllm-openai:v0.19.1", Place("gpu", "g6.xlarge", "spot", "L4"))
APART = What("ns/chat", WHAT.image, WHAT.place, way=Way.INIT)


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
        Part.WEIGHTS: ("ns/chat by init container",),
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


def on(cache: Kept) -> What:
    return What("ns/chat", WHAT.image, WHAT.place, Way.INIT, compile_cache=cache)


def compiles(cache: Kept, **times: int) -> ColdStart:
    """The cold start after so many compiles that hit the cache, in 5 s each, and that missed it, in 90 s."""
    ledger, what = Ledger(), on(cache)
    for path, seconds in (("miss", 90.0), ("hit", 5.0)):
        key = compiled(keys(what)[Part.COMPILE], path)
        for _ in range(times.get(path, 0)):
            ledger = observe(ledger, Observation(Part.COMPILE, key, seconds), priors(what, PRIOR)[Part.COMPILE])
    return cold_start(ledger, what, PRIOR)


@pytest.mark.parametrize("cache", [Kept.NOWHERE, Kept.NODE])
def test_a_compile_cache_that_was_hit_on_a_node_of_before_does_not_shorten_the_lead_to_a_new_one(cache: Kept) -> None:
    missed = compiles(cache, miss=8)
    assert missed.warmup.p50_seconds > PRIOR.warmup.p50_seconds + 20.0
    assert compiles(cache, miss=8, hit=200) == missed
    assert compiles(cache, hit=200).warmup.p50_seconds == pytest.approx(PRIOR.warmup.p50_seconds, rel=0.02)


def test_a_compile_cache_on_a_volume_counts_once_it_was_hit() -> None:
    assert compiles(Kept.SHARED, miss=1).warmup.p50_seconds > PRIOR.warmup.p50_seconds
    assert compiles(Kept.SHARED, miss=1, hit=8).warmup.p50_seconds < PRIOR.warmup.p50_seconds - 30.0


def test_a_whole_warm_up_on_a_node_of_before_does_not_shorten_the_lead_where_each_node_keeps_its_cache() -> None:
    what = on(Kept.NODE)
    ledger = Ledger()
    for _ in range(20):
        ledger = observe(ledger, Observation(Part.WARMUP, keys(what)[Part.WARMUP], 5.0), PRIOR.warmup)
    assert cold_start(ledger, what, PRIOR) == PRIOR
    key = compiled(keys(what)[Part.WARMUP], "miss")
    for _ in range(20):
        ledger = observe(ledger, Observation(Part.WARMUP, key, 100.0), PRIOR.warmup)
    assert cold_start(ledger, what, PRIOR).warmup.p50_seconds == pytest.approx(100.0, rel=0.2)


def test_where_the_compile_cache_is_kept_is_part_of_the_key_of_a_warm_up() -> None:
    roots = {keys(on(cache))[part][0] for cache in Kept for part in (*WARMUP_PARTS, Part.WARMUP)}
    assert roots == {"ns/chat", "ns/chat with a compile cache on the node", "ns/chat with a compile cache on a volume"}
    long = What("ns/" + "a" * 253, compile_cache=Kept.NODE)
    assert compiled(keys(long)[Part.COMPILE], "hit") != compiled(keys(long)[Part.COMPILE], "miss")
    assert all(len(compiled(key, "miss")[0]) <= LONGEST for key in keys(long).values())


def test_a_warm_up_with_weights_of_which_nothing_is_known_has_no_key() -> None:
    assert not keys(What("ns/chat", WHAT.image, WHAT.place, way=None)).keys() & {
        *WARMUP_PARTS,
        Part.WARMUP,
        Part.WEIGHTS,
    }
    assert cold_start(Ledger(), What("ns/chat", way=None), PRIOR) == PRIOR
    image = keys(What("ns/chat", WHAT.image, WHAT.place, Way.IMAGE, "weights:v1"))[Part.WEIGHTS]
    assert image == ("ns/chat by image", "weights:v1")


def test_what_a_tenant_or_another_image_or_model_teaches_does_not_shorten_what_was_given() -> None:
    theirs = [
        What("other/tiny", image, WHAT.place, way) for image in (WHAT.image, "tiny") for way in (Way.INIT, Way.ENGINE)
    ]
    theirs.append(What("ns/tiny", "tiny", WHAT.place))
    ledger = Ledger()
    for what in theirs * 20:
        for part, key in keys(what).items():
            if part not in (Part.REACTION, Part.NODE, Part.GPU) and part in priors(what, PRIOR):
                ledger = observe(ledger, Observation(part, key, 1.0), priors(what, PRIOR)[part])
    assert cold_start(ledger, WHAT, PRIOR) == PRIOR
    assert cold_start(ledger, APART, PRIOR) == PRIOR
