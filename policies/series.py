"""What identifies a series of vLLM's metrics, wherever it is read: from Prometheus, its history, or an export.

A pod that two jobs scrape, a highly available pair, and a label that changes in mid-range give more series but no more
requests. So only the pod and the engine's own labels identify a series; all that a scrape adds does not.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import NamedTuple

RUNNING = "vllm:num_requests_running"
WAITING = "vllm:num_requests_waiting"
FINISHED = "vllm:request_success_total"
REJECTED = "vllm:admission_rejections_total"
PROMPT_TOKENS = "vllm:prompt_tokens_total"
GENERATION_TOKENS = "vllm:generation_tokens_total"
SLEEP_STATE = "vllm:engine_sleep_state"
QUEUE_TIME = "vllm:request_queue_time_seconds"  # a histogram; a request is in it once it has finished
QUEUE_TIME_BOUNDS_SECONDS = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0),
    *(120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
)  # of its buckets, as vLLM writes them

ENGINE_LABELS = ("engine", "model_name")
OWN_LABELS: Mapping[str, tuple[str, ...]] = {
    FINISHED: ("finished_reason",),
    REJECTED: ("reason",),
    SLEEP_STATE: ("sleep_state",),
}  # of a family, beside those of the engine

COUNTED_SECONDS = 600.0  # in which scrapes are counted

HASHED = ("Deployment", "Rollout")  # kinds by the names of their pods: NAME-HASH-ID
NUMBERED = ("StatefulSet", "LeaderWorkerSet")  # NAME-ORDINAL
OWNED = ("ReplicaSet", "ReplicationController")  # NAME-ID
KINDS = (*HASHED, *NUMBERED, *OWNED)

SAFE = "[bcdfghjklmnpqrstvwxz2456789]"  # the characters of what Kubernetes generates: hashes and IDs
LONGEST_GENERATED = 58  # characters of a generated name before its ID
ID = f"{SAFE}{{5}}"
ORDINAL = "[0-9]+"


class Identity(NamedTuple):
    """A series. Labels that it lacks are empty."""

    family: str
    pod: str
    labels: tuple[str, ...]


def late_after_seconds(queue_wait_seconds: float) -> float | None:
    """The largest bound of the queue times that is not above the queue wait; None where all are above it.

    Whatever waited longer than the queue wait is above it, so that no late request is missed.
    """
    place = bisect_right(QUEUE_TIME_BOUNDS_SECONDS, queue_wait_seconds)
    return QUEUE_TIME_BOUNDS_SECONDS[place - 1] if place else None


def identity(labels: Mapping[str, str]) -> Identity | None:
    """The series that has these labels, `__name__` among them; None where its family or its pod is missing.

    Outside of Kubernetes the scraped address stands for the pod.
    """
    family, pod = labels.get("__name__"), labels.get("pod") or labels.get("instance")
    if not family or not pod:
        return None
    return Identity(family, pod, tuple(labels.get(name, "") for name in identifying_labels(family)))


def identifying_labels(family: str) -> tuple[str, ...]:
    """The labels that identify a series of this family within its pod."""
    return (*ENGINE_LABELS, *OWN_LABELS.get(family, ()))


def counted_once(family: str, promql: str) -> str:
    """PromQL that merges what identifies the same series of `family`; a value that is there twice counts once."""
    return f"max by ({', '.join(('pod', *identifying_labels(family)))}) ({promql})"


def labels_of_pods(namespace: str, pattern: str) -> str:
    """PromQL of the labels of pods whose names match a regular expression."""
    quoted = pattern.replace("\\", "\\\\")
    return f'namespace="{namespace}",pod=~"{quoted}"'


def scrapes_query(pods: str) -> str:
    """PromQL of the scrapes in ten minutes of the pod that has most; `pods` are labels."""
    return f"max(count_over_time({FINISHED}{{{pods}}}[{COUNTED_SECONDS:.0f}s]))"


def scrape_interval_seconds(scrapes: Iterable[float]) -> float | None:
    """Time between two scrapes, by answers of `scrapes_query` at several times; None without any.

    The least quarter is left out: then the pods were new.
    """
    counts = sorted(count for count in scrapes if count >= 1)
    return COUNTED_SECONDS / counts[len(counts) // 4] if counts else None


def pods_pattern(kind: str, name: str) -> str:
    """A regular expression (RE2, for a whole name) of the pods of a target, alive or gone.

    An unknown kind may name its pods as any of the known ones does. `chat` never matches a pod of `chat-decode`.
    """
    prefix = f"{name}-".replace(".", r"\.")
    owned = _generated(f"{name}-", prefix)
    hashed = _hashed(f"{name}-", prefix)
    numbered = f"{prefix}{ORDINAL}"
    if kind not in KINDS:
        return f"{numbered}|{owned}|{hashed}"
    return hashed if kind in HASHED else numbered if kind in NUMBERED else owned


def _hashed(plain: str, prefix: str) -> str:
    """NAME-HASH-ID. What is too long loses the end of NAME-HASH-."""
    whole = f"{prefix}{SAFE}{{5,10}}-{ID}"
    room = LONGEST_GENERATED - len(plain)
    if room >= len("0123456789-"):
        return whole
    if room <= 0:
        return _generated(plain, prefix)
    return f"{whole}|{prefix}{SAFE}{{{room}}}{ID}"


def _generated(plain: str, prefix: str) -> str:
    """NAME-ID. What is too long loses the end of NAME-."""
    if len(plain) <= LONGEST_GENERATED:
        return prefix + ID
    return plain[:LONGEST_GENERATED].replace(".", r"\.") + ID
