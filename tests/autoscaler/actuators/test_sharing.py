"""Whose Jobs keep images at the limit: it is reached, fair, and then nothing moves any more."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.actuators.claims import holder
from autoscaler.actuators.fetched import Fetched, Progress
from autoscaler.actuators.sharing import making_way, within_share
from autoscaler.kube.objects import Key
from autoscaler.kube.ours import POLICY
from policies.balloons import Claim, fair_share
from policies.fetches import Fetch

POLICIES = st.dictionaries(
    st.builds(Key, st.sampled_from(["x", "y", "z"]), st.sampled_from(["a", "b", "c"])),
    st.integers(0, 12),  # nodes that have its image
    min_size=1,
)


def job(policy: Key, at: int) -> dict[str, Any]:
    return {"metadata": {"namespace": policy.namespace, "name": f"{policy.name}-{at}", "labels": {POLICY: policy.name}}}


class Kept:
    """The Jobs of policies on a cluster whose nodes have all images."""

    def __init__(self, nodes: dict[Key, int], most: int) -> None:
        self.nodes, self.most = nodes, most
        self.jobs: list[dict[str, Any]] = []

    def turn(self, policy: Key) -> bool:
        """Whether anything moved."""
        lacking = {
            each: [at for at in range(self.nodes[each]) if job(each, at) not in self.jobs] for each in self.nodes
        }
        wanted = [Fetch(policy.namespace, str(at), f"n{at}", 0.0, 0.0) for at in lacking[policy]]
        others = {each: len(found) for each, found in lacking.items()}
        begun = within_share(policy, wanted, Counter(map(holder, self.jobs)), others, self.most)
        new = [job(policy, int(each.name)) for each in begun]
        kept = [Fetched(each, "", "", "", Progress.HELD) for each in self.jobs]
        way = [each.job for each in making_way(kept, [*self.jobs, *new], self.most)]
        self.jobs = [each for each in self.jobs if each not in way] + new
        assert len(self.jobs) <= self.most
        return bool(way or new)


@given(POLICIES, st.integers(0, 30), st.randoms(use_true_random=False))
def test_each_policy_keeps_its_share_and_then_nothing_moves(nodes: dict[Key, int], most: int, rng: Any) -> None:
    there = Kept(nodes, most)
    for _ in range(6):
        for policy in rng.sample(sorted(nodes), len(nodes)):
            there.turn(policy)
    assert not any(there.turn(policy) for policy in sorted(nodes))
    held = Counter(map(holder, there.jobs))
    claims: dict[str, dict[str, Claim]] = {}
    for each, number in nodes.items():
        claims.setdefault(each.namespace, {})[each.name] = Claim(number, held[each])
    assert {each: held[each] for each in nodes} == {each: fair_share(claims, *each, most, most) for each in nodes}


def test_what_is_to_be_brought_passes_the_share() -> None:
    wanted = [Fetch("x", "new", "n1", 1.0, 9e9), Fetch("x", "old", "n2", 0.0, 0.0)]
    policy, other = Key("x", "a"), Key("y", "a")
    assert within_share(policy, wanted, Counter({policy: 2, other: 2}), {}, 4) == (wanted[0],)
