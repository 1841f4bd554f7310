"""Which pods are which policy's, and where each is scraped, so that a change of one pod concerns the policies of that pod alone."""

from collections.abc import Collection

from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.objects import Key
from autoscaler.kube.watches import Watches
from autoscaler.sources.scrape import Address, Scraper
from crds.notation.selectors import Selector

_Place = tuple[str, Selector]  # a namespace, and a selector of pods in it


class Members:
    """The pods of every policy, as they were when it was last refreshed. Keeps the scraper's targets in step with them."""

    def __init__(self, watches: Watches, scraper: Scraper) -> None:
        self._watches = watches
        self._scraper = scraper
        self._places: dict[str, _Place] = {}
        self._selecting: dict[_Place, set[str]] = {}
        self._pods: dict[str, dict[Key, Address]] = {}  # by policy: where each pod is scraped
        self._owners: dict[Key, set[str]] = {}  # by pod: the policies

    def policies_of(self, pod: Key) -> Collection[str]:
        """The policies whose target has this pod."""
        return self._owners.get(pod, ())

    def selecting(self, namespace: str, selector: Selector) -> Collection[str]:
        """The policies whose target has the pods that this selector matches."""
        return self._selecting.get((namespace, selector), ())

    def refresh(self, runtime: PolicyRuntime) -> None:
        """Read a policy's pods again."""
        selector = runtime.selector
        self._move(runtime.key, None if selector is None else (runtime.workload.namespace, selector))
        self._take(runtime.key, runtime.endpoints())

    def forget(self, policy: str) -> None:
        """The policy is gone."""
        self._move(policy, None)
        self._take(policy, {})

    def _move(self, policy: str, place: _Place | None) -> None:
        before = self._places.pop(policy, None)
        if place is not None:
            self._places[policy] = place
            self._selecting.setdefault(place, set()).add(policy)
        if before is not None and before != place:
            self._selecting[before].remove(policy)
            if not self._selecting[before]:
                del self._selecting[before]
                self._watches.pods(before[0]).forget(before[1])

    def _take(self, policy: str, addresses: dict[Key, Address]) -> None:
        before = self._pods.pop(policy, {})
        if addresses:
            self._pods[policy] = addresses
        changed = {pod for pod in before.keys() | addresses.keys() if before.get(pod) != addresses.get(pod)}
        for pod in changed:
            owners = self._owners.setdefault(pod, set())
            owners.discard(policy)
            if pod in addresses:
                owners.add(policy)
            if not owners:
                del self._owners[pod]
        self._scraper.retarget({pod: self._address(pod) for pod in changed})

    def _address(self, pod: Key) -> Address | None:
        """Where a pod is scraped: of two policies that have it, the first by name says so."""
        first = min(self._owners.get(pod, ()), default=None)
        return None if first is None else self._pods[first][pod]
