from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.kube import trim
from autoscaler.starts.engine_log import warmup_parts
from autoscaler.starts.pods import seen
from policies.fold import in_parts, observations, start
from policies.keys import What, compiled, keys
from policies.seen import ImageSeen, Place
from policies.starts import WARMUP_PARTS, Part, Span
from tests.autoscaler.starts.recorded import T0, at, pod

GIVEN = pod(scheduled=1.0, started=10.0, ready=120.0)
POD = seen(trim.pod(GIVEN), "vllm")
MESSAGES = [
    (16.0, "INFO [APIServer] non-default args: {'model': 'qwen'}"),
    (34.0, "INFO [Worker] Starting to load model qwen..."),
    (46.0, "INFO Loading weights took 11.52 seconds"),
    (47.0, "INFO Model loading took 14.9 GiB memory and 12.1 seconds"),
    (70.0, "INFO Compiling a graph for compile range (1, 2048) takes 17.33 s"),
    (77.0, "INFO torch.compile took 30.00 s in total"),
    (95.0, "INFO Graph capturing finished in 5 secs, took 0.31 GiB"),
    (97.0, "INFO init engine (profile, create kv cache, warmup model) took 50.00 s (compilation: 30.00 s)"),
    (110.0, "INFO Application startup complete."),
]


def log(*messages: tuple[float, str]) -> str:
    """As the kubelet gives it."""
    return "".join(f"{str(at(seconds)).removesuffix('Z')}.000000000Z {text}\n" for seconds, text in messages)


def parts(*messages: tuple[float, str]) -> list[tuple[Part, float, float, str]]:
    found = warmup_parts(log(*messages), POD)
    return [(each.part, each.begin_seconds - T0, each.end_seconds - T0, each.path) for each in found]


def test_each_part_of_a_warm_up() -> None:
    assert parts(*MESSAGES) == [
        (Part.PROCESS, 10.0, 34.0, ""),
        (Part.LOAD, 34.0, 47.0, ""),
        (Part.COMPILE, 47.0, 77.0, "miss"),
        (Part.GRAPHS, 77.0, 97.0, ""),
        (Part.PROBE, 97.0, 120.0, ""),
    ]


def test_a_compile_cache_that_was_hit_and_an_engine_that_compiles_nothing() -> None:
    hit = "INFO Directly load the compiled graph(s) for dynamic shape from the cache, took 4.4 s"
    found = parts(*[(when, hit if "Compiling a graph" in text else text) for when, text in MESSAGES])
    assert (Part.COMPILE, 47.0, 77.0, "hit") in found
    eager = parts(*[each for each in MESSAGES if "ompil" not in each[1].partition("(")[0]])
    assert [part for part, *_ in eager] == [Part.PROCESS, Part.LOAD, Part.GRAPHS, Part.PROBE]


@pytest.mark.parametrize("missing", ["Starting to load", "oad", "init engine"])
def test_without_one_of_its_messages_the_warm_up_is_known_as_a_whole(missing: str) -> None:
    assert parts(*[each for each in MESSAGES if missing not in each[1]]) == []


def test_a_log_that_contradicts_its_pod_says_nothing() -> None:
    assert parts(*[(when + 600.0, text) for when, text in MESSAGES]) == []
    assert parts(*[(when - 600.0, text) for when, text in MESSAGES]) == []
    assert warmup_parts(log(*MESSAGES), replace(POD, restarts=1)) == ()
    assert warmup_parts(log(*MESSAGES), replace(POD, ready_seconds=None)) == ()


@given(st.text(max_size=400))
def test_any_log_is_read_or_says_nothing(text: str) -> None:
    assert warmup_parts(text, POD) == ()
    assert isinstance(warmup_parts(log(*MESSAGES) + text, POD), tuple)


def test_parts_take_the_place_of_the_whole_and_a_miss_has_a_key_of_its_own() -> None:
    whole = start(POD, None, ImageSeen(), T0 + 200.0)
    assert in_parts(whole, ()) == whole
    found = in_parts(whole, warmup_parts(log(*MESSAGES), POD))
    assert Part.WARMUP not in {span.part for span in found.spans}
    what = keys(What("ns/chat", "vllm:v1", Place(gpu="L4")))
    taught = {each.part: each for each in observations(found, POD, what, T0 + 200.0)}
    assert taught.keys() == set(WARMUP_PARTS)
    assert taught[Part.COMPILE].key == compiled(what[Part.COMPILE], "miss")
    assert taught[Part.LOAD].seconds == Span(Part.LOAD, 34.0, 47.0).seconds
