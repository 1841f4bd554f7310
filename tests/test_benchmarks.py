"""The load generator of `benchmarks.live`: its pods look like vLLM's, and its figures are those of the log."""

import json
from pathlib import Path

from autoscaler.sources import vllm
from autoscaler.sources.families import FAMILIES, SUMMED
from benchmarks.live import body, decisions, fleet
from benchmarks.live.pods import AGE_SECONDS, Pods
from policies.model import PodSample

NOW_SECONDS = 1_764_000_000.0


def still() -> Pods:
    """Three policies' pods at one moment: a page that is read a millisecond later has counted more tokens."""
    return Pods(3, lambda: NOW_SECONDS)


def read(pods: Pods, target: str) -> PodSample:
    head, _, page = pods.answer(7, target).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(page)}".encode() in head
    return vllm.parse(page, "pod", 1.0)


def test_a_page_is_as_long_as_a_real_one_and_has_every_family_that_is_read() -> None:
    found = read(still(), "/metrics")
    assert abs(len(body.page()) - 53_000) < 2_000
    assert None not in [getattr(found, field) for field in SUMMED]
    assert found.started_seconds is not None
    assert NOW_SECONDS - found.started_seconds == AGE_SECONDS


def test_a_page_with_names_has_these_series_alone() -> None:
    pods = still()
    filtered = "/metrics?" + "&".join(f"name[]={family}" for family in FAMILIES)
    assert read(pods, filtered) == read(pods, "/metrics")
    assert len(pods.answer(7, filtered)) < 6_000


def test_counters_only_grow_and_no_request_ends_before_it_begins() -> None:
    every = [fleet.numbers(3, 80_000.0 + 0.5 * turn) for turn in range(5_000)]
    assert {each[b"waiting"] for each in every} == {0, fleet.QUEUE}
    for counter in set(every[0]) - {b"running", b"waiting", b"awake"}:
        values = [each[counter] for each in every]
        assert values == sorted(values)
        assert values[0] < values[-1]
    assert all(each[b"running"] == each[b"first_tokens"] - each[b"finished"] >= 0 for each in every)


def test_every_pod_has_an_address_of_its_own() -> None:
    for pod in (0, 249, 250, 4_999, 62_499, 62_500, 99_999):
        assert fleet.at_address(fleet.address(pod)) == pod
    assert len({fleet.identifier(pod) for pod in range(5_000)}) == 5_000


def test_a_decision_was_made_when_its_line_came(tmp_path: Path) -> None:
    watch, due = decisions.LogWatch(tmp_path), 1_500.0
    with (tmp_path / "decisions.jsonl").open("w") as log:
        for came, is_on_grid in ((1_500.5, True), (1_501.0, False), (1_503.0, True)):
            inputs = {"now_seconds": due, "on_grid": is_on_grid, "samples": [{"at_seconds": due - 1.0}]}
            line = {"demand": {"coverage": 0.5}, "inputs": inputs}
            log.write(json.dumps(line, separators=(",", ":")) + "\n")
            log.flush()
            watch.look(came)
    found = decisions.ticks(watch, 2, 1_490.0, 1_510.0)
    assert found == decisions.Ticks(2, 2, 0.5, [1.5, 4.0], 3.0)
