"""The headroom trimmed by the requests that were late: a factor of its standard deviations, which a table gives.

The table has to do for every workload. Most need less, and what they need shows in vLLM's queue times, over days: so the factor
moves slowly. A calm workload has too few late requests to learn from: it is lowered as far as a replay of the recorded days
allows. Where queue times are unknown, it stays as it is.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from policies.ladder import lead_seconds, replica_rung
from policies.model import Filters, Headroom, Inputs, Mode, Policy, Verdict
from policies.physics import queue_times
from policies.recommend.predictive import LEAST_FACTOR, stale, volatility_floor
from policies.signals import Judged

LARGEST_FACTOR = 1.29
AIM = 0.7  # late requests that leave the factor as it is, as a share of those that the policy allows
RAISED = 0.05  # by a tick of mean traffic in which every request was late
LOWERED = (
    0.003  # at most by a tick: from 1 to the least in an hour, however busy a Monday is beside the weekend before it
)
MEMORY_TICKS = 5760.0  # a day
# With fewer requests a tick than that, the factor moves more slowly: from 1 to the least in ten hours of no late ones at 99 %.
ENOUGH_REQUESTS = 10.0
# Late requests within the memory; after fewer, the factor is not lowered: the bursts that the headroom is for may be yet to come.
ENOUGH_LATE = 100.0
NEARLY_ALL = 0.9  # of the pods that serve; with fewer known, the factor is not lowered
SPARE = 1.1  # replicas over those that the headroom asks for, and one: with more, that few are late is not its merit


def trimmed(policy: Policy, filters: Filters, judged: Sequence[Judged], inputs: Inputs) -> Headroom:
    """The headroom's factor after the requests that finished since the last tick, of which `filters` are.

    In mode Shadow another autoscaler decides how many are late.
    """
    before, supply = filters.headroom, inputs.supply
    if supply is None or policy.mode is Mode.SHADOW:
        return before
    found = [
        queue_times(each.before, each.sample) for each in judged if each.before is not None and each.sample is not None
    ]
    known = [each for each in found if each is not None]
    if not known:
        return before
    serving = sum([each.verdict is not Verdict.STARTING for each in judged]) + supply.unlisted
    requests, late = (sum(column) for column in zip(*known, strict=True))
    fade = math.exp(-1.0 / MEMORY_TICKS)
    after = replace(
        before,
        requests=fade * before.requests + requests,
        late=fade * before.late + late,
        ticks=fade * before.ticks + 1.0,
    )
    usual = max(after.requests / after.ticks, ENOUGH_REQUESTS)
    change = max(-LOWERED, RAISED * (late - AIM * (1.0 - policy.attainment) * requests) / usual)
    least = LEAST_FACTOR
    if change < 0.0:
        recorded = _recorded(inputs)
        if len(known) < NEARLY_ALL * serving:
            change = 0.0
        elif before.factor > recorded and after.late <= AIM * (1.0 - policy.attainment) * after.requests:
            change, least = -LOWERED, max(recorded, LEAST_FACTOR)
        elif before.late < ENOUGH_LATE or _has_spare(policy, filters, inputs, serving):
            change = 0.0
    return replace(after, factor=min(max(before.factor * math.exp(change), least), LARGEST_FACTOR))


def _recorded(inputs: Inputs) -> float:
    """The least factor with which, in a replay of the recorded days, little enough was late; 1 while that is not known."""
    fan = inputs.fan
    return 1.0 if fan is None or stale(fan, inputs.now_seconds) else fan.level_headroom


def _has_spare(policy: Policy, filters: Filters, inputs: Inputs, serving: int) -> bool:
    """Whether a minimum, a schedule or a hold keeps more than the headroom asks for."""
    floor = volatility_floor(policy, filters, lead_seconds(inputs.cold_start, replica_rung(policy)))
    return floor is None or serving > SPARE * max(floor.replicas, 0.0) + 1.0
