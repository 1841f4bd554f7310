"""The reactive ScaledObject: scales on the requests that wait, once they wait."""

from crds.workload import Workload
from replay.contenders.contender import Entry
from replay.contenders.hpa_on_metric import HpaOnMetric, sum_of
from replay.sim.hpa import Behavior, HpaPolicy, Rules, Unit

WAITING_PER_REPLICA = 10.0
# +2 pods / 60 s, -1 pod / 120 s, windows 30 s and 300 s.
REACTIVE = Behavior(
    up=Rules(30.0, (HpaPolicy(Unit.PODS, 2, 60.0),)), down=Rules(300.0, (HpaPolicy(Unit.PODS, 1, 120.0),))
)


def reactive(workload: Workload) -> HpaOnMetric:
    """`sum(vllm:num_requests_waiting)`, 10 waiting per replica."""
    return HpaOnMetric(workload, sum_of("waiting"), WAITING_PER_REPLICA, REACTIVE)


ENTRY = Entry("reactive", "reactive ScaledObject", "red", make=lambda setup: reactive(setup.workload))
