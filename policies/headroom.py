"""The headroom trimmed by the requests that were late: a factor of its standard deviations, which a table gives.

The table has to do for every workload. Most need less, and what they need shows in vLLM's queue times, over days: so the factor
moves slowly. Where these are unknown, it stays as it is.
"""

import math

from policies.model import Headroom, Policy, Verdict
from policies.physics import queue_times
from policies.signals import Judged

LEAST_FACTOR, LARGEST_FACTOR = 0.61, 1.29
AIM = 0.3  # late requests that leave the factor as it is, as a share of those that the policy allows
RAISED = 0.05  # by a tick of mean traffic in which every request was late
MEMORY_TICKS = 5760.0  # a day
# With fewer requests a tick than that, the factor moves more slowly: from 1 to the least in 14 hours of no late ones at 99 %.
ENOUGH_REQUESTS = 10.0
NEARLY_ALL = 0.9  # of the pods that serve; with fewer known, the factor is not lowered


def trimmed(policy: Policy, before: Headroom, judged: list[Judged], unlisted: int) -> Headroom:
    """The factor a tick later, by the requests that finished since the last one, late and in time.

    `unlisted`: pods that serve and are not in the list.
    """
    found = [
        queue_times(each.before, each.sample) for each in judged if each.before is not None and each.sample is not None
    ]
    known = [each for each in found if each is not None]
    if not known:
        return before
    serving = sum([each.verdict is not Verdict.STARTING for each in judged]) + unlisted
    requests, late = (sum(column) for column in zip(*known, strict=True))
    fade = math.exp(-1.0 / MEMORY_TICKS)
    ticks, remembered = fade * before.ticks + 1.0, fade * before.requests + requests
    usual = max(remembered / ticks, ENOUGH_REQUESTS)
    change = RAISED * (late - AIM * (1.0 - policy.attainment) * requests) / usual
    if len(known) < NEARLY_ALL * serving:
        change = max(0.0, change)
    factor = min(max(before.factor * math.exp(change), LEAST_FACTOR), LARGEST_FACTOR)
    return Headroom(factor, remembered, ticks)
