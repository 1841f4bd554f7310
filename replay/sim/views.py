"""What the outside may see of a simulated cluster, and how a run is scored. Times are Unix seconds."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Phase(StrEnum):
    """Where a replica's pod is on its way."""

    UNPLACED = "Unplaced"  # waits for a node
    PULLING = "Pulling"  # the image
    LOADING = "Loading"  # weights to the node's disk
    WARMING = "Warming"  # process started, engine not up
    SERVING = "Serving"
    TERMINATING = "Terminating"  # takes nothing new, finishes what it has


class Ended(StrEnum):
    """Why a balloon holds nothing any more."""

    DEADLINE = "Deadline"
    PREEMPTED = "Preempted"
    EVICTED = "Evicted"  # the cloud takes its node back


@dataclass(frozen=True, slots=True)
class PodView:
    """One replica's pod. A time is None until it has come."""

    name: str
    created_seconds: float
    scheduled_seconds: float | None
    image_ready_seconds: float | None
    started_seconds: float | None  # the serving process
    ready_seconds: float | None
    deleted_seconds: float | None  # when its deletion was asked for
    node: str | None
    phase: Phase

    @property
    def ready(self) -> bool:
        """Serves, and is not going away."""
        return self.phase is Phase.SERVING

    @property
    def terminating(self) -> bool:
        """Its deletion was asked for."""
        return self.phase is Phase.TERMINATING


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node, from its launch to its removal. The API does not show which weights are on its disk."""

    name: str
    requested_seconds: float  # its launch; billing starts here
    registered_seconds: float | None  # its kubelet
    ready_seconds: float | None  # its GPUs are allocatable
    has_image: bool
    occupants: tuple[str, ...]  # pods, balloons and standby units that hold its GPUs
    gpus: int
    offering: str = ""
    notice_seconds: float | None = (
        None  # since when it is known that the cloud takes it back: tainted, its pods evicted
    )


@dataclass(frozen=True, slots=True)
class BalloonView:
    """One balloon. It holds a replica's GPUs once it has a node, and is `running` once the image is there."""

    name: str
    created_seconds: float
    deadline_seconds: float  # Unix time at which it ends by itself
    node: str | None
    scheduled_seconds: float | None
    running_seconds: float | None
    ended: Ended | None

    @property
    def running(self) -> bool:
        """Its node holds the image, and it has not ended."""
        return self.running_seconds is not None and self.ended is None


@dataclass(frozen=True, slots=True)
class Passed:
    """What went through a gateway before the fleet in a while."""

    arrived: int
    prompt_tokens: int  # of those that arrived
    finished: int
    output_tokens: int  # of those that finished
    first_token_seconds: NDArray[np.float64]  # arrival -> first token, of those that got it
    token_seconds: NDArray[np.float64]  # from one token to the next, of those that finished with two tokens or more


@dataclass(frozen=True, slots=True)
class Timeline:
    """The fleet over time: each row holds from its second to the next row's."""

    seconds: NDArray[np.float64]
    spec_replicas: NDArray[np.int64]
    ready_replicas: NDArray[np.int64]
    starting_replicas: NDArray[np.int64]  # not ready, with or without a node
    balloons: NDArray[np.int64]
    nodes: NDArray[np.int64]  # billed


@dataclass(frozen=True, slots=True)
class Waits:
    """How long each request that has arrived waited, by arrival. NaN: it has not come to that, or never will."""

    arrival_s: NDArray[np.float64]
    wait_seconds: NDArray[np.float64]  # arrival -> start of prefill
    first_token_seconds: NDArray[np.float64]  # arrival -> first token
    failed: NDArray[np.bool_]  # cut off by a pod's end
    unfinished: int  # still waiting or running


@dataclass(frozen=True, slots=True)
class RequestLog:
    """What became of some requests, by arrival. NaN: it has not come to that, or never will."""

    arrival_s: NDArray[np.float64]
    wait_seconds: NDArray[np.float64]  # arrival -> start of prefill
    first_token_seconds: NDArray[np.float64]  # arrival -> first token
    finish_s: NDArray[np.float64]  # on the axis of `arrival_s`
    pod: NDArray[np.int64]  # ordinal of the pod it was sent to, -1 while at the gateway
    failed: NDArray[np.bool_]  # cut off by a pod's end


@dataclass(frozen=True, slots=True)
class Score:
    """The outcome up to now. A failed request met no deadline; one that still waits has waited until now."""

    gpu_hours: float
    cost: float
    requests: int
    share_within_1s: float  # of queue wait: arrival -> start of prefill
    share_within_5s: float
    p50_wait_seconds: float
    p99_wait_seconds: float
    p999_wait_seconds: float
    p99_first_token_seconds: float
    cold_starts_met: int  # requests that waited more than 1 s, and a replica was starting meanwhile
    unfinished: int  # still waiting or running
    failed: int
    pods_created: int  # those that served at the start included
    nodes_launched: int  # likewise
    timeline: Timeline


@dataclass(frozen=True, slots=True)
class OfferingView:
    """What can be seen of one offering."""

    name: str
    nodes: int  # launched and not yet removed
    in_flight: int  # of these, whose GPUs are not allocatable yet
    leaving: int  # of these, given notice
    claims: int  # asked for, and neither refused nor launched yet
    refused_seconds: float | None  # when a create was last refused
    refused: int  # creates refused so far


@dataclass(frozen=True, slots=True)
class OfferingScore:
    """What one offering cost, from the launch of each node to its end."""

    name: str
    gpu_hours: float
    cost: float
    nodes_launched: int  # those at the start included
    refused: int  # creates
    reclaimed: int  # nodes taken back by the cloud


@dataclass(frozen=True, slots=True)
class ClusterScore:
    """The outcome of a cluster up to now."""

    gpu_hours: float  # billed
    cost: float
    offerings: tuple[OfferingScore, ...]  # in order
    workloads: tuple[tuple[str, Score], ...]  # by name; what each held, where a node that nobody held is in none
    standby_gpu_hours: float  # held by standby units
    standby_wasted_gpu_hours: float  # of these, by units that no replica took over (yet)
    standby_taken: int  # units that a replica took over
    switches: int  # times that a node got a replica of another workload than the one before

    @property
    def refused(self) -> int:
        """Creates refused by all offerings."""
        return sum(each.refused for each in self.offerings)
