"""What every policy wants of the balloons and needs of its namespace's quotas, as far as it has had a turn."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from autoscaler.actuators.quotas import Need
from autoscaler.kube.objects import Key, Object, key, labels
from autoscaler.kube.ours import POLICY, policy_label
from crds.workload import Workload
from policies.balloons import Claim, fair_share


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a policy asked for at its last turn."""

    wanted: int
    need: Need | None  # None: not known, or nothing is ever decided for it


class Claims:
    """By policy: its namespace, and its name as a label's value, since Jobs carry no more."""

    def __init__(self) -> None:
        self._asked: dict[Key, _Asked] = {}

    def note(self, workload: Workload, wanted: int, need: Need | None) -> None:
        """Take what a policy asks for now. What it needs stays known while its supply is not."""
        self._asked[claimant(workload)] = _Asked(wanted, need)

    def need(self, workload: Workload) -> Need | None:
        """What the policy needed at its last turn."""
        asked = self._asked.get(claimant(workload))
        return asked.need if asked else None

    def keep(self, policies: Iterable[Object]) -> None:
        """Forget all but these policies."""
        there = {Key(key(each).namespace, policy_label(key(each).name)) for each in policies}
        self._asked = {each: asked for each, asked in self._asked.items() if each in there}

    def __contains__(self, policy: Key) -> bool:
        return policy in self._asked

    def share(self, workload: Workload, jobs: Iterable[Object], cap: int, cap_per_namespace: int) -> int:
        """How many balloons a policy may hold beside all others. One that has had no turn yet keeps what it holds."""
        held = Counter(map(holder, jobs))
        claims: dict[str, dict[str, Claim]] = {}
        for each in {*self._asked, *held}:
            asked = self._asked.get(each)
            wanted = asked.wanted if asked else held[each]
            if wanted or each == claimant(workload):
                claims.setdefault(each.namespace, {})[each.name] = Claim(wanted, held[each])
        return fair_share(claims, *claimant(workload), cap, cap_per_namespace)

    def needs(
        self, workload: Workload, jobs: Iterable[Object], pods: Iterable[Object]
    ) -> tuple[Need | None, list[Need]]:
        """What a policy needs, and what the others of its namespace do, with the balloons that each has."""
        jobs_of, pods_of = Counter(map(holder, jobs)), Counter(map(holder, pods))
        found = {
            each: replace(asked.need, balloons=jobs_of[each], balloon_pods=pods_of[each])
            for each, asked in self._asked.items()
            if asked.need is not None and each.namespace == workload.namespace
        }
        own = found.pop(claimant(workload), None)
        return own, list(found.values())


def claimant(workload: Workload) -> Key:
    """Whose balloons a policy's are."""
    return Key(workload.namespace, policy_label(workload.name))


def holder(thing: Object) -> Key:
    """Whose a balloon's Job or pod is."""
    return Key(key(thing).namespace, labels(thing).get(POLICY, ""))
