"""What new nodes cannot be counted on to get, and why: what failed, until one node has it, and what a limit or the disks keep out."""

import math
from collections.abc import Iterable, Mapping

from autoscaler.actuators.fetched import Fetched, Progress
from autoscaler.actuators.prepull import Form
from autoscaler.kube.objects import Key, created_seconds
from policies.fetches import Fetch

SLOW_SECONDS = 1200.0  # a pull that takes longer hangs: 60 GB come in that time at 50 MB/s


class Shortfalls:
    """By policy. Decisions that count on what never comes have too short a lead, so a new try alone is no reason to."""

    def __init__(self) -> None:
        self._failed: dict[Key, dict[str, str]] = {}
        self._kept_out: dict[Key, dict[str, str]] = {}

    def cause(self, policy: Key, what: str) -> str:
        """Why something cannot be counted on; empty if it can."""
        return self._failed.get(policy, {}).get(what) or self._kept_out.get(policy, {}).get(what, "")

    def see(self, policy: Key, own: Iterable[Fetched], whats: Iterable[str], now_seconds: float) -> None:
        """Take what became of a policy's Jobs. What it no longer wants, all but `whats`, is forgotten."""
        own = list(own)
        failed = {what: cause for what, cause in self._failed.get(policy, {}).items() if what in whats}
        failed |= {each.what: why for each in own if (why := _failure(each, now_seconds))}
        self._failed[policy] = {what: cause for what, cause in failed.items() if what not in there(own)}

    def fail(self, policy: Key, what: str, cause: str) -> None:
        """Something could not be brought to a node."""
        self._failed.setdefault(policy, {})[what] = cause

    def keep_out(self, policy: Key, causes: Mapping[str, str]) -> None:
        """Take what does not come to some node: all of it at each turn."""
        self._kept_out[policy] = dict(causes)

    def kept_out(self, policy: Key) -> str:
        """Why something is kept out; empty if nothing is."""
        return next(iter(self._kept_out.get(policy, {}).values()), "")

    def keep(self, policies: Iterable[Key]) -> None:
        """Forget all but these policies."""
        known = set(policies)
        self._failed = {policy: causes for policy, causes in self._failed.items() if policy in known}
        self._kept_out = {policy: causes for policy, causes in self._kept_out.items() if policy in known}


def there(own: Iterable[Fetched]) -> set[str]:
    """What some node has."""
    return {each.what for each in own if each.progress in (Progress.HELD, Progress.DONE)}


def sentence(failed: Fetched) -> str:
    """What a node did not get, and why."""
    return f"node {failed.node} did not get {failed.what}: {failed.cause}"


def left_out(
    fetches: Iterable[tuple[str, Fetch]], on_a_node: set[str], room_bytes: Mapping[str, float], most: int | None
) -> dict[str, str]:
    """Of what does not begin, each with what it brings: what does not come later either, and why.

    `most` is the limit of Jobs where it is reached. What has no room on one node, and is `on_a_node`, has room on others.
    """
    found: dict[str, str] = {}
    for what, fetch in fetches:
        if fetch.bytes_ > max(0.0, room_bytes.get(fetch.node, math.inf)) and what not in on_a_node:
            found.setdefault(what, f"node {fetch.node} has too little room on its disk for {what}")
        elif most is not None and fetch.bytes_:
            why = f"the limit of {most} Jobs in the cluster (--max-prepulls) keeps {what} from some nodes"
            found.setdefault(what, why)
    return found


def _failure(each: Fetched, now_seconds: float) -> str:
    if each.progress is Progress.FAILED:
        return sentence(each)
    age_seconds = now_seconds - (created_seconds(each.job) or now_seconds)
    slow = each.progress is Progress.UNDER_WAY and each.form != Form.WEIGHTS and age_seconds >= SLOW_SECONDS
    return f"node {each.node} has not got {each.what} in {SLOW_SECONDS / 60:.0f} min" if slow else ""
