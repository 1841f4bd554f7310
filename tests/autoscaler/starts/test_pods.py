import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.kube import trim
from autoscaler.starts.pods import engine, seen
from autoscaler.starts.pulls import Pulls
from policies.fold import start
from policies.seen import ImageSeen
from tests.autoscaler.starts.recorded import IMAGE, T0, at, event, pod

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
TIMES = st.sampled_from([at(0.0), at(50.0), at(-1e6), at(1e6), "", "yesterday", None, "2023-13-45T99:99:99Z"])


def test_the_container_that_serves_is_the_one_with_a_gpu() -> None:
    proxy, vllm = {"name": "proxy", "image": "envoy"}, {"name": "vllm", "image": IMAGE}
    limits = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    assert engine({"spec": {"containers": [proxy, vllm | limits]}}) == ("vllm", IMAGE)
    assert engine({"spec": {"containers": [proxy, vllm]}}) == ("proxy", "envoy")
    assert engine({"spec": {}}) == engine(None) == ("", "")


def test_of_a_container_that_is_not_there_the_first_one_counts() -> None:
    found = seen(trim.pod(pod(scheduled=1.0, started=9.0)), "renamed")
    assert (found.container, found.started_seconds) == ("proxy", T0)


@given(TIMES, TIMES, TIMES, st.integers() | st.text(max_size=3))
def test_whatever_times_a_pod_has_its_spans_are_possible(created: Any, started: Any, ready: Any, restarts: Any) -> None:
    found = pod(scheduled=1.0, started=2.0, ready=3.0)
    found["metadata"]["creationTimestamp"] = created
    found["status"]["conditions"][-1]["lastTransitionTime"] = ready
    found["status"]["containerStatuses"][1] |= {"restartCount": restarts, "state": {"running": {"startedAt": started}}}
    now = T0 + 100.0
    result = start(seen(trim.pod(found), "vllm"), None, ImageSeen(), now)
    assert all(span.begin_seconds <= span.end_seconds <= now + 5.0 for span in result.spans)
    assert result.serving_seconds is None or result.serving_seconds <= now + 5.0


@given(st.dictionaries(st.sampled_from(list(event("", 0.0))), JSON))
def test_whatever_an_event_has_it_costs_nothing_but_itself(wrong: dict[str, Any]) -> None:
    raw = json.loads(json.dumps(event("", 0.0) | wrong))
    try:
        kept = trim.event(raw)
    except (KeyError, TypeError, AttributeError):  # what the reflector takes for an unreadable answer
        return
    Pulls().saw(kept, T0)
