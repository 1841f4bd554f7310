"""Whether a policy's metrics can be read: the condition MetricsRead, which names the pods that do not count, why, and what to do.

Not here: how long a fault has to last (`control.reading`), and what a reading is worth (`policies`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from policies.explain import VERDICTS
from policies.model import Verdict

METRICS_READ = "MetricsRead"
NAMED_PODS = 3
LONGEST_CAUSE = 500  # characters; part of it is the server's own
ADVICE: Mapping[Verdict, str] = {
    Verdict.ASLEEP: "wake it or leave it out with spec.metrics.podSelector",
    Verdict.INCOMPLETE: "check the engine's version and whatever filters its /metrics",
    Verdict.IMPOSSIBLE: "compare its /metrics with what it serves; a proxy may mix up several engines",
    Verdict.RESET: "check that one process alone answers for its /metrics",
    Verdict.STUCK: "restart it unless it still serves",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A pod whose metrics do not count."""

    pod: str
    verdict: Verdict
    cause: str = ""  # what the source reported
    kind: str = ""  # of that

    @property
    def sentence(self) -> str:
        """What is wrong, and what to do: a source says that itself."""
        more = self.cause[:LONGEST_CAUSE] or ADVICE.get(self.verdict, "")
        return f"{VERDICTS[self.verdict]}{(': ' if self.cause else '; ') + more if more else ''}"


@dataclass(frozen=True, slots=True)
class Readings:
    """How the sources of one policy stand. Empty texts: nothing is wrong."""

    ready: int  # pods that should count
    faults: tuple[Fault, ...] = ()  # that have lasted, by name of the pod
    problem: str = ""  # why no pod can be read at all
    prometheus_problem: str = ""  # why Prometheus has not answered since the start


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a status, without its time."""

    type: str
    status: str  # True, False or Unknown
    reason: str  # one word, CamelCase
    message: str


def metrics_read(found: Readings | None) -> Condition:
    """The condition of one moment; unknown while the pods are, and without a ready pod."""
    status, reason, message = _judged(found)
    return Condition(METRICS_READ, status, reason, message)


def _judged(found: Readings | None) -> tuple[str, str, str]:
    if found is None:
        return (
            "Unknown",
            "TargetUnknown",
            "The target's pods are not known, so it is not known whether they can be read.",
        )
    if found.problem:
        return "False", "NotReadable", f"No metrics of the pods can be read: {found.problem}."
    if found.faults:
        faults = len(found.faults)
        pods = max(faults, found.ready)
        count = f"{faults} of {pods} pod{'s' if pods > 1 else ''} {'does' if faults == 1 else 'do'} not count"
        return "False", found.faults[0].verdict.value, f"{count}. {_named(found.faults)}."
    if found.prometheus_problem:
        why = f"Prometheus has not answered since the start: {found.prometheus_problem}"
        return "False", "PrometheusFailed", f"{why}. Pods that can be scraped still count."
    if not found.ready:
        return "Unknown", "NoPods", "No pod is ready, so there are no metrics to read yet."
    ready = "the ready pod" if found.ready == 1 else f"all {found.ready} ready pods"
    return "True", "AllPods", f"The metrics of {ready} are read."


def _named(faults: tuple[Fault, ...]) -> str:
    """The first few pods with their sentences; one that is like the pod before it has none of its own."""
    parts, before = [], None
    for fault in faults[:NAMED_PODS]:
        like = fault.verdict, fault.kind
        parts.append(f"{fault.pod}: {'the same' if like == before else fault.sentence}")
        before = like
    more = len(faults) - NAMED_PODS
    return "; ".join([*parts, f"and {more} more"] if more > 0 else parts)
