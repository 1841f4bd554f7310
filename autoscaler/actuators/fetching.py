"""The fetch actuator: has nodes pull images and copy weights before a replica needs them, and keeps images while they are wanted.

Bounded without any memory of its own: a Job's name is fixed by what it brings and the node, so the API itself refuses a second
one. Every Job ends by itself. Nothing here raises for an API failure: without a fetch, a replica gets what it needs itself.
Not here: what a Job looks like (`prepull`, `prefetch`), where pods may land (`landing`), and what goes first (`policies.fetches`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from autoscaler.actuators.base import Change, Refused
from autoscaler.actuators.claims import claimant, holder
from autoscaler.actuators.deleting import delete_jobs
from autoscaler.actuators.disks import UNPACKED, fit, has_image, image_bytes, rooms_bytes
from autoscaler.actuators.fetched import Fetched, Progress, busy_nodes, read
from autoscaler.actuators.landing import Placement, landing
from autoscaler.actuators.podless import Podless
from autoscaler.actuators.prepull import Content, Form, fetch_job, fetch_name, form
from autoscaler.actuators.rests import Rests
from autoscaler.actuators.shortfalls import Shortfalls, left_out, sentence, there
from autoscaler.kube import collection
from autoscaler.kube.causes import last_warning
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import Conflict, KubeError
from autoscaler.kube.objects import Key, Object, alive, created_seconds, deleting, key, owned_by, uid
from autoscaler.kube.ours import FETCH_PODS, FETCHED, FETCHES, NODE, policy_label
from autoscaler.kube.store import Store
from autoscaler.kube.watches import Watches
from crds.notation.selectors import parse
from crds.workload import WeightsMethod, Workload
from policies.fetches import UNKNOWN_BYTES, Fetch, Limits, choose, worth
from policies.model import Mode
from policies.supply import StageName

YOUNG_SECONDS = 1800.0  # a node this young is on its way to serve, whatever runs there yet
AGAIN_SECONDS = 6 * 3600.0  # after which an idle node pulls again what it may have lost
PATIENCE_SECONDS = 120.0  # a pull that fails may succeed at the kubelet's next try
TURN_SECONDS = 60.0  # by which a Job is made, and seen to have failed, late at most
UNSEEN_SECONDS = 60.0  # a Job that we made counts so long before the watch has shown it
LATE_SECONDS = 60.0  # a Job this far past its end has a dead Job controller
_EVERY = parse("")
_BY_FETCH = (WeightsMethod.IMAGE, WeightsMethod.PREFETCH)


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """What is the same for every fetch of this controller."""

    max_fetches: int = 200  # Jobs in all the cluster
    max_parallel: int = 16  # of which not done
    deadline_seconds: int = 3600
    prefetches: bool = False  # whether containers of the policies' own may copy weights

    @property
    def limits(self) -> Limits:
        """An image and weights may come to a node at the same time."""
        return Limits(self.max_parallel, 2, self.max_fetches)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a workload wants on its nodes, and how much."""

    contents: Mapping[Form, tuple[Content, ...]]  # by the form in which a node keeps images; weights are in all
    placement: Placement
    probability: float  # that a replica more is needed within the lead
    miss_seconds: Mapping[StageName, float]  # what the lack of each costs a replica


class Fetches:
    """Makes and deletes the Jobs of all policies."""

    def __init__(self, kube: Kube, watches: Watches, settings: FetchSettings) -> None:
        self._kube = kube
        self._watches = watches
        self._settings = settings
        self._wanted: dict[Key, tuple[float, tuple[Fetch, ...]]] = {}  # by policy: when it had a turn, what is missing
        self._unseen: dict[Key, tuple[str, float]] = {}  # Jobs that we made: the node, until when they count unseen
        self._brought: dict[str, float] = {}  # names of Jobs that an idle node needs no more, since when
        self._room: Mapping[str, float] = {}  # by node, as last looked at
        self._full = False  # whether the limit of Jobs was reached then
        self._swept: set[str] = set()  # namespaces that may have Jobs
        self._looked: set[str] = set()  # namespaces that were looked through once since they are followed
        self._rests, self._podless = Rests(PATIENCE_SECONDS + TURN_SECONDS), Podless()
        self._shortfalls = Shortfalls()

    async def ensure(
        self,
        workload: Workload,
        wish: Wish | None,
        now_seconds: float,
        refused: Refused | None = None,
        *,
        known: bool = True,
    ) -> Change:
        """Bring to each node what the workload wants there, and end what it does not. Idempotent; never raises for the API.

        `wish` is None where it wants nothing. Where what it wants is not `known`, what is there stays. Fetches end where its
        replicas are refused by a quota.
        """
        namespace = workload.namespace
        self._wanted.pop(claimant(workload), None)  # what is not begun keeps no other workload waiting
        if wish is None and known and namespace not in self._watches.fetching:
            return Change()
        jobs, nodes = self._watches.fetches(namespace), self._watches.nodes if wish is not None else None
        if not jobs.synced:
            problem = f"the Jobs in namespace {namespace} cannot be read, so nothing is fetched: {jobs.problem}"
            return Change(problem=problem if jobs.problem else "")
        own = [each for each in self._seen(namespace) if holder(each.job) == claimant(workload)]
        if not known or (wish is not None and (nodes is None or not nodes.current(now_seconds))):
            return Change(problem=_failed(own))
        if refused is not None and refused.by_quota:
            self._rests.begin(namespace, f"{refused.sentence} Nothing is fetched for a while.", now_seconds)
        if workload.mode is Mode.SHADOW or (refused is not None and refused.by_quota):
            wish = None
        targets = {} if wish is None or nodes is None else self._targets(workload, wish, nodes)
        whats = _whats(wish)
        self._shortfalls.see(claimant(workload), own, whats, now_seconds)
        trouble = await self._rest(workload, own, now_seconds)
        busy = self._busy() if targets else frozenset()
        doomed = [each for each in own if self._ends(each, targets, busy, now_seconds)]
        here = {key(each.job).name for each in own}
        missing = {
            name: target
            for name, target in targets.items()
            if name not in here and not self._waits(workload, target, name, busy, now_seconds)
        }
        sizes = nodes.made(_EVERY, image_bytes) if nodes is not None else {}
        wanted = [self._fetch(workload, wish, name, at, sizes) for name, at in missing.items()] if wish else []
        self._wanted[claimant(workload)] = now_seconds, tuple(wanted)
        begun = self._choose(nodes, now_seconds) & missing.keys()
        kept = [
            (missing[name].content.what, fetch)
            for name, fetch in zip(missing, wanted, strict=True)
            if name not in begun
        ]
        most = self._settings.max_fetches if self._full else None
        self._shortfalls.keep_out(claimant(workload), left_out(kept, there(own), self._room, most))
        new = [fetch_job(workload, missing[name].content, missing[name].node) for name in sorted(begun)]
        released, failed = await delete_jobs(self._kube, [each.job for each in doomed])
        created, refusal = ((), "") if failed else await self._create(workload, new, now_seconds)
        resting = next(filter(None, (self._cause(workload, what, now_seconds) for what in whats)), "")
        kept_out = self._shortfalls.kept_out(claimant(workload))
        return Change(created, released, problem=failed or refusal or trouble or resting or _failed(own) or kept_out)

    def seen(self, workload: Workload) -> tuple[Fetched, ...]:
        """The Jobs of a policy, as the watch shows them."""
        return tuple(each for each in self._seen(workload.namespace) if holder(each.job) == claimant(workload))

    def bytes_by_what(self, workload: Workload) -> Mapping[str, float]:
        """What each thing that a policy's Jobs bring takes on a node's disk: its size unpacked, or the limit of the cache."""
        prefetch = workload.weights.prefetch
        limits = {prefetch.path: float(prefetch.max_bytes)} if prefetch else {}
        whats = {each.what for each in self.seen(workload)} - limits.keys()
        sizes = self._watches.nodes.made(_EVERY, image_bytes) if whats else {}
        return limits | {what: UNPACKED * sizes.get(what, UNKNOWN_BYTES) for what in whats}

    def nodes(self, placement: Placement, now_seconds: float) -> tuple[Object, ...] | None:
        """The nodes that pods may land on; None where that is unknown."""
        nodes = self._watches.nodes
        return nodes.made(_EVERY, landing, placement) if nodes.current(now_seconds) else None

    def obstacle(self, workload: Workload, what: str, now_seconds: float) -> str:
        """Why a new node cannot be counted on to get something; empty if it can.

        What failed counts as failing, also while it is tried again, until one node has it.
        """
        return self._cause(workload, what, now_seconds) or self._shortfalls.cause(claimant(workload), what)

    async def release(self, now_seconds: float) -> Change:
        """Delete every Job that no policy stands behind, found by label alone, and those that nothing has ended."""
        if not self._watches.policies.synced:
            return Change(problem="the ScalingPolicies have not been listed yet, so no fetch is deleted")
        policies = {Key(key(each).namespace, policy_label(key(each).name)) for each in self._watches.policies}
        self._wanted = {policy: wanted for policy, wanted in self._wanted.items() if policy in policies}
        self._shortfalls.keep(policies)
        self._brought = {name: at for name, at in self._brought.items() if now_seconds - at < AGAIN_SECONDS}
        self._rests.prune(now_seconds)
        followed = set(self._watches.namespaces)
        self._swept |= followed - self._looked
        self._looked = followed
        released: list[str] = []
        problems: list[str] = []
        for namespace in sorted(self._swept):
            try:
                found, _ = await self._kube.list_all(collection.jobs(namespace, FETCHES))
            except KubeError as error:
                problems.append(str(error))  # it stays among those that are swept
                continue
            if not found:
                self._swept.discard(namespace)
            gone, trouble = await delete_jobs(self._kube, (job for job in found if self._stray(job, now_seconds)))
            released += gone
            problems += [trouble] if trouble else []
        return Change(released=tuple(released), problem="; ".join(problems))

    # ---------------------------------------------------------------- what there is

    def _seen(self, namespace: str) -> tuple[Fetched, ...]:
        return read(self._watches.fetches(namespace), self._watches.pods(namespace).matching(FETCH_PODS))

    def _everywhere(self) -> Iterator[Fetched]:
        for namespace in self._watches.fetching:
            yield from self._seen(namespace)

    # ---------------------------------------------------------------- what is wanted

    def _targets(self, workload: Workload, wish: Wish, nodes: Store) -> "dict[str, _Target]":
        hashes = {each.hash: each for contents in wish.contents.values() for each in contents}
        by_form = {how: [(h, c) for h, c in hashes.items() if c in contents] for how, contents in wish.contents.items()}
        return {
            fetch_name(workload, content_hash, content.form, node): _Target(node, content)
            for node in nodes.made(_EVERY, landing, wish.placement)
            for content_hash, content in by_form.get(form(node), ())
        }

    def _fetch(self, workload: Workload, wish: Wish, name: str, target: "_Target", sizes: Mapping[str, float]) -> Fetch:
        content = target.content
        there = has_image(target.node, content.what)
        bytes_ = 0.0 if there else UNPACKED * sizes.get(content.what, UNKNOWN_BYTES)
        miss_seconds = wish.miss_seconds.get(content.stage, 0.0)
        # To keep an image is worth less than to bring any: else the nodes that have it take the Jobs of those that lack it.
        value = 0.0 if there else worth(wish.probability, miss_seconds, workload.gpus_per_replica, bytes_)
        return Fetch(f"{workload.namespace}/{name}", key(target.node).name, value, bytes_)

    def _waits(
        self, workload: Workload, target: "_Target", name: str, busy: frozenset[str], now_seconds: float
    ) -> bool:
        """Whether something that is not there is not to be brought now."""
        at, what = key(target.node).name, target.content.what
        if not fit(target.node, now_seconds) or self._cause(workload, what, now_seconds, at):
            return True
        return not _in_use(target.node, busy, now_seconds) and name in self._brought

    def _busy(self) -> frozenset[str]:
        """Nodes that have a pod of a followed namespace."""
        return frozenset().union(
            *(self._watches.pods(each).made(_EVERY, busy_nodes) for each in self._watches.namespaces)
        )

    def _ends(self, each: Fetched, targets: "Mapping[str, _Target]", busy: frozenset[str], now_seconds: float) -> bool:
        """Whether a Job goes: it is not wanted, its time is up, it gets nowhere, or nothing but it is on its node."""
        name = key(each.job).name
        target = targets.get(name)
        if target is None or each.progress is Progress.OVER:
            return True
        if each.progress is Progress.STUCK:
            return now_seconds - (created_seconds(each.job) or now_seconds) >= PATIENCE_SECONDS
        if each.progress is Progress.WITHOUT_POD:
            return name in self._podless.stuck(
                key(each.job).namespace, self._lacking(key(each.job).namespace), now_seconds
            )
        if each.progress is Progress.HELD and not _in_use(target.node, busy, now_seconds):
            self._brought[name] = now_seconds
            return True
        return False

    def _lacking(self, namespace: str) -> frozenset[str]:
        seen = self._seen(namespace) if self._watches.pods(namespace).synced else ()
        return frozenset(key(each.job).name for each in seen if each.progress is Progress.WITHOUT_POD)

    # ---------------------------------------------------------------- what goes wrong

    async def _rest(self, workload: Workload, own: Iterable[Fetched], now_seconds: float) -> str:
        """Leave alone for a while what cannot be pulled, or gets no pod. Gives why."""
        cause, own = "", list(own)
        works = there(own)
        stuck = self._podless.stuck(workload.namespace, self._lacking(workload.namespace), now_seconds)
        for each in own:
            patience_over = now_seconds - (created_seconds(each.job) or now_seconds) >= PATIENCE_SECONDS
            if each.progress is Progress.STUCK and patience_over:
                cause = sentence(each)
            elif key(each.job).name in stuck:
                why = await last_warning(self._kube, each.job)
                cause = f"the Job {key(each.job).name} got no pod: {why or 'the cluster reports no cause; see its Job controller'}"
            else:
                continue
            at = each.node if each.what in works else ""  # it is this node's own trouble
            self._rests.begin((claimant(workload), each.what, at), cause, now_seconds)
            if not at:
                self._shortfalls.fail(claimant(workload), each.what, cause)
        return cause

    def _cause(self, workload: Workload, what: str, now_seconds: float, node: str = "") -> str:
        """Why something rests, everywhere or on one node."""
        what_rests: list[object] = [workload.namespace, *((claimant(workload), what, at) for at in {"", node})]
        causes = (self._rests.cause(each, now_seconds) for each in what_rests)
        return next(filter(None, causes), "")

    # ---------------------------------------------------------------- what is done

    def _choose(self, nodes: Store | None, now_seconds: float) -> set[str]:
        """Names of the Jobs to begin now, of all policies."""
        seen = list(self._everywhere())
        known = {key(each.job) for each in seen}
        self._unseen = {
            at: (node, until) for at, (node, until) in self._unseen.items() if at not in known and until > now_seconds
        }
        unseen = Counter(node for node, _ in self._unseen.values())
        under_way = Counter(
            each.node for each in seen if each.progress in (Progress.UNDER_WAY, Progress.STUCK, Progress.WITHOUT_POD)
        )
        # A policy that has had no turn lately, such as one that is refused, keeps no other one waiting.
        recent = (fetches for at, fetches in self._wanted.values() if now_seconds - at < TURN_SECONDS)
        wanted = [fetch for fetches in recent for fetch in fetches]
        self._room = nodes.made(_EVERY, rooms_bytes) if nodes is not None else {}
        held = sum(alive(each.job) for each in seen) + len(self._unseen)
        chosen = choose(
            wanted,
            under_way + unseen,
            held,
            self._room,
            self._settings.limits,
        )
        self._full = held + len(chosen) >= self._settings.max_fetches
        return {fetch.name.partition("/")[2] for fetch in chosen}

    async def _create(
        self, workload: Workload, new: Iterable[Object], now_seconds: float
    ) -> tuple[tuple[str, ...], str]:
        done: list[str] = []
        for job in new:
            notes = job["metadata"]["annotations"]
            self._unseen[key(job)] = notes[NODE], now_seconds + UNSEEN_SECONDS
            self._podless.made([key(job)], now_seconds)
            self._swept.add(workload.namespace)
            try:
                await self._kube.create(collection.jobs(workload.namespace).path, job)
                done.append(key(job).name)
            except Conflict:  # it exists
                pass
            except KubeError as error:
                del self._unseen[key(job)]
                self._rests.begin((claimant(workload), notes[FETCHED], ""), str(error), now_seconds)
                self._shortfalls.fail(claimant(workload), notes[FETCHED], str(error))
                return tuple(done), str(error)
        return tuple(done), ""

    def _stray(self, job: Object, now_seconds: float) -> bool:
        owner = next((each for each in self._watches.policies if owned_by(job, uid(each)) and not deleting(each)), None)
        spec = (owner or {}).get("spec") or {}
        asks = (spec.get("image") or {}).get("prePull") or (spec.get("weights") or {}).get("method") in _BY_FETCH
        if owner is None or not asks or spec.get("mode") == Mode.SHADOW:
            return True
        age_seconds = now_seconds - (created_seconds(job) or now_seconds)
        return alive(job) and age_seconds > self._settings.deadline_seconds + LATE_SECONDS


@dataclass(frozen=True, slots=True)
class _Target:
    """Something that is wanted on a node."""

    node: Object
    content: Content


def _in_use(node: Object, busy: frozenset[str], now_seconds: float) -> bool:
    """Whether a replica may come to the node soon, or one is there: a pod of ours must not keep an idle node alive."""
    return key(node).name in busy or now_seconds - (created_seconds(node) or 0.0) < YOUNG_SECONDS


def _whats(wish: Wish | None) -> tuple[str, ...]:
    return tuple({each.what for contents in wish.contents.values() for each in contents}) if wish else ()


def _failed(own: Iterable[Fetched]) -> str:
    """Why a fetch failed whose node is left alone now; empty if none did."""
    failed = next((each for each in own if each.progress is Progress.FAILED), None)
    return "" if failed is None else sentence(failed)
