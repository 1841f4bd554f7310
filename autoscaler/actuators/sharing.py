"""Whose Jobs keep images at the limit of Jobs: each policy as many as any other one, and fewer where something is to be brought.

To keep an image on a node is worth less than to bring one to a node that lacks it: the kubelet removes images only from disks
that fill up.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from autoscaler.actuators.claims import holder
from autoscaler.actuators.fetched import Fetched
from autoscaler.kube.objects import Key, Object, created_seconds, key
from policies.balloons import Claim, fair_share
from policies.fetches import Fetch


def within_share(
    policy: Key, wanted: Sequence[Fetch], held: Counter[Key], lacking: Mapping[Key, int], most: int
) -> tuple[Fetch, ...]:
    """Of what a policy wants, all that is to be brought, and of what is there as much as its share of `most` Jobs lets it keep.

    `held` are the Jobs of each policy, and `lacking` those that each one would have beside them.
    """
    brings, keeps = [each for each in wanted if each.bytes_], [each for each in wanted if not each.bytes_]
    if keeps:
        claims: dict[str, dict[str, Claim]] = {}
        for each in {*held, *lacking, policy}:
            more = len(wanted) if each == policy else lacking.get(each, 0)
            claims.setdefault(each.namespace, {})[each.name] = Claim(held[each] + more, held[each])
        share = fair_share(claims, policy.namespace, policy.name, most, most)
        keeps = keeps[: max(0, share - held[policy] - len(brings))]
    return (*brings, *keeps)


def making_way(keepers: Iterable[Fetched], jobs: Iterable[Object], most: int) -> list[Fetched]:
    """The Jobs that only keep an image and end, so that of all `jobs` no more than `most` are left.

    They are taken from the namespace that has most, and there from the policy that has most, the longest kept first.
    """
    held = Counter(map(holder, jobs))
    if held.total() <= most:
        return []
    kept: dict[Key, list[Fetched]] = {}
    for each in sorted(keepers, key=lambda each: (-(created_seconds(each.job) or 0.0), key(each.job))):
        kept.setdefault(holder(each.job), []).append(each)
    found: list[Fetched] = []
    while kept and held.total() > most:
        of_namespace: Counter[str] = Counter()
        for policy, number in held.items():
            of_namespace[policy.namespace] += number
        # At equal numbers the last one, since a share is rounded up for the first.
        whose = max(kept, key=lambda at: (of_namespace[at.namespace], at.namespace, held[at], at.name))
        found.append(kept[whose].pop())
        held[whose] -= 1
        if not kept[whose]:
            del kept[whose]
    return found
