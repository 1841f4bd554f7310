"""The metrics of what comes to nodes ahead of replicas: what ended and how, on how many nodes it is, and what it takes on disks."""

from collections import Counter
from collections.abc import Iterable, Mapping
from weakref import WeakKeyDictionary

from autoscaler.actuators.fetched import Fetched, Progress
from autoscaler.actuators.prepull import Form
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.objects import created_seconds, uid
from autoscaler.telemetry import metrics

KINDS, OUTCOMES = ("image", "weights"), ("done", "failed")
_THERE, _FAILED = (Progress.HELD, Progress.DONE), (Progress.FAILED, Progress.STUCK)


class FetchMeasures:
    """Counts each Job once when it has come to an end, by policy."""

    def __init__(self) -> None:
        self._began: WeakKeyDictionary[PolicyRuntime, float] = WeakKeyDictionary()
        self._ended: WeakKeyDictionary[PolicyRuntime, dict[str, str]] = WeakKeyDictionary()  # by uid: how

    def measure(
        self, runtime: PolicyRuntime, seen: Iterable[Fetched], bytes_by_what: Mapping[str, float], now_seconds: float
    ) -> None:
        """Export a policy's Jobs as they are. Those that are older than the first look are not counted as ended."""
        policy, began = runtime.key, self._began.setdefault(runtime, now_seconds)
        before, ended = self._ended.get(runtime, {}), dict[str, str]()
        nodes, taken = dict[str, set[str]](), Counter[str]()
        for kind in KINDS:
            for outcome in OUTCOMES:
                metrics.FETCHES.labels(policy=policy, kind=kind, outcome=outcome)
        for each in seen:
            kind, who = KINDS[each.form == Form.WEIGHTS], uid(each.job)
            outcome = "done" if each.progress in _THERE else "failed" if each.progress in _FAILED else ""
            if outcome == "done":
                nodes.setdefault(kind, set()).add(each.node)
            if outcome != "failed":
                taken[kind] += int(bytes_by_what.get(each.what, 0.0))
            ended[who] = outcome
            if outcome and before.get(who) != outcome and (created_seconds(each.job) or 0.0) >= began:
                metrics.FETCHES.labels(policy=policy, kind=kind, outcome=outcome).inc()
        for kind in KINDS:
            metrics.FETCHED_NODES.labels(policy=policy, kind=kind).set(len(nodes.get(kind, ())))
            metrics.FETCHED_BYTES.labels(policy=policy, kind=kind).set(taken[kind])
        self._ended[runtime] = ended

    def forget(self, runtime: PolicyRuntime) -> None:
        """The policy asks for nothing any more."""
        if self._began.pop(runtime, None) is not None:
            self._ended.pop(runtime, None)
            for metric in (metrics.FETCHES, metrics.FETCHED_NODES, metrics.FETCHED_BYTES):
                metric.remove_by_labels({"policy": runtime.key})
