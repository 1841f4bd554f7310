"""The fetch actuator: has nodes pull images and copy weights before a replica needs them, and keeps images while they are wanted.

Bounded without any memory of its own: a Job's name is fixed by what it brings and the node, so the API itself refuses a second
one. Every Job ends by itself. Nothing here raises for an API failure: without a fetch, a replica gets what it needs itself.
Not here: what a Job looks like (`prepull`, `prefetch`), where pods may land (`landing`), and what goes first (`policies.fetches`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from autoscaler.actuators.base import Change, Refused
from autoscaler.actuators.claims import claimant, holder
from autoscaler.actuators.disks import UNPACKED, fit, has_image, image_bytes, listed_bytes, rooms_bytes
from autoscaler.actuators.fetched import Fetched, Progress, busy_nodes, read
from autoscaler.actuators.jobs import Unseen, create_jobs, delete_jobs, outlived, served, sweep_jobs
from autoscaler.actuators.landing import Placement, landing
from autoscaler.actuators.podless import Podless
from autoscaler.actuators.prepull import PAUSE_IMAGE, Content, Form, fetch_job, fetch_name, form
from autoscaler.actuators.rests import Rests
from autoscaler.actuators.sharing import making_way, within_share
from autoscaler.actuators.shortfalls import Shortfalls, left_out, sentence, there
from autoscaler.kube.causes import last_warning
from autoscaler.kube.client import Kube
from autoscaler.kube.objects import Key, Object, alive, created_seconds, key, metadata
from autoscaler.kube.ours import FETCH_PODS, FETCHED, FETCHES, NODE, policy_label
from autoscaler.kube.store import Store
from autoscaler.kube.watches import Watches
from crds.notation.selectors import parse
from crds.workload import WeightsMethod, Workload
from policies.fetches import UNKNOWN_BYTES, Fetch, Limits, candidates, choose, worth
from policies.model import Mode
from policies.supply import StageName

YOUNG_SECONDS = 1800.0  # a node this young is on its way to serve, whatever runs there yet
AGAIN_SECONDS = 6 * 3600.0  # after which an idle node pulls again what it may have lost
PATIENCE_SECONDS = 120.0  # a pull that fails may succeed at the kubelet's next try
TURN_SECONDS = 60.0  # by which a Job is made, and seen to have failed, late at most
_EVERY = parse("")
_UNDER_WAY = (Progress.UNDER_WAY, Progress.STUCK, Progress.WITHOUT_POD)
_BY_FETCH = (WeightsMethod.IMAGE, WeightsMethod.PREFETCH)


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """What is the same for every fetch of this controller."""

    max_fetches: int = 200  # Jobs in all the cluster
    max_parallel: int = 16  # of which not done
    deadline_seconds: int = 3600
    prefetches: bool = False  # whether containers of the policies' own may copy weights
    pause_image: str = PAUSE_IMAGE

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
        self._wanted: dict[Key, _Wanted] = {}  # by policy
        self._unseen = Unseen()
        self._brought: dict[str, float] = {}  # names of Jobs that an idle node needs no more, since when
        self._room: Mapping[str, float] = {}  # by node, as last looked at
        self._full = False  # whether the limit of Jobs was reached then
        self._swept: set[str] = set()  # namespaces that may have Jobs
        self._looked: set[str] = set()  # namespaces that were looked through once since they are followed
        self._rests, self._podless = Rests(PATIENCE_SECONDS + TURN_SECONDS), Podless()
        self._shortfalls = Shortfalls()
        self._held: Callable[[], frozenset[str]] = frozenset

    def use_held(self, nodes: Callable[[], frozenset[str]]) -> None:
        """Count these nodes as in use as well: they stand by, and whichever workload needs one next must find its image there."""
        self._held = nodes

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
        own = self.seen(workload)
        if not known or (wish is not None and (nodes is None or not nodes.current(now_seconds))):
            return Change(problem=_failed(own))
        if refused is not None and refused.by_quota:
            self._rests.begin(namespace, f"{refused.sentence} Nothing is fetched for a while.", now_seconds)
        if workload.mode is Mode.SHADOW or (refused is not None and refused.by_quota):
            wish = None
        targets = {} if wish is None or nodes is None else self._targets(workload, wish, nodes)
        whats = _whats(wish)
        self._shortfalls.see(claimant(workload), own, whats, now_seconds)
        stuck = self._stuck(namespace, now_seconds)
        trouble = await self._rest(workload, own, stuck, now_seconds)
        busy = self.busy() | self._held() if targets else frozenset()
        doomed = [each for each in own if self._ends(each, targets, busy, stuck, now_seconds)]
        here = {key(each.job).name for each in own}
        missing = {
            name: target
            for name, target in targets.items()
            if name not in here and not self._waits(workload, target, name, busy, now_seconds)
        }
        self._shortfalls.keep_out(claimant(workload), {})
        new, way = self._begin(workload, wish, missing, own, doomed, now_seconds) if wish else ([], [])
        doomed += way
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
        found = {what: listed_bytes(sizes, what) for what in whats}
        return limits | {what: UNPACKED * (UNKNOWN_BYTES if size is None else size) for what, size in found.items()}

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
        change, empty = await sweep_jobs(self._kube, self._swept, FETCHES, lambda job: self._stray(job, now_seconds))
        self._swept -= empty
        return change

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
        size = listed_bytes(sizes, content.what)
        # Nodes list large images alone: where no node lists this one, what was brought counts as there.
        there = has_image(target.node, content.what) or (name in self._brought and size is None)
        bytes_ = 0.0 if there else UNPACKED * (UNKNOWN_BYTES if size is None else size)
        miss_seconds = wish.miss_seconds.get(content.stage, 0.0)
        value = 0.0 if there else worth(wish.probability, miss_seconds, workload.gpus_per_replica, bytes_)
        return Fetch(workload.namespace, name, key(target.node).name, value, bytes_)

    def _waits(
        self, workload: Workload, target: "_Target", name: str, busy: frozenset[str], now_seconds: float
    ) -> bool:
        """Whether something that is not there is not to be brought now."""
        at, what = key(target.node).name, target.content.what
        if not fit(target.node, now_seconds) or self._cause(workload, what, now_seconds, at):
            return True
        return not _in_use(target.node, busy, now_seconds) and name in self._brought

    def busy(self) -> frozenset[str]:
        """Nodes that have a pod of a followed namespace."""
        return frozenset().union(
            *(self._watches.pods(each).made(_EVERY, busy_nodes) for each in self._watches.namespaces)
        )

    def _ends(
        self,
        each: Fetched,
        targets: "Mapping[str, _Target]",
        busy: frozenset[str],
        stuck: frozenset[str],
        now_seconds: float,
    ) -> bool:
        """Whether a Job goes: it is not wanted, its time is up, it gets nowhere, or nothing but it is on its node."""
        name = key(each.job).name
        target = targets.get(name)
        if target is None or each.progress is Progress.OVER:
            return True
        if each.progress in _UNDER_WAY and not fit(target.node, now_seconds):
            return True  # it gets nowhere there, and would keep others waiting until its deadline
        if each.progress is Progress.STUCK:
            return now_seconds - (created_seconds(each.job) or now_seconds) >= PATIENCE_SECONDS
        if each.progress is Progress.WITHOUT_POD:
            return name in stuck
        if each.progress is Progress.HELD and not _in_use(target.node, busy, now_seconds):
            self._brought[name] = now_seconds
            return True
        return False

    def _stuck(self, namespace: str, now_seconds: float) -> frozenset[str]:
        """Names of the Jobs that have had no pod for too long."""
        seen = self._seen(namespace) if self._watches.pods(namespace).synced else ()
        lacking = frozenset(key(each.job).name for each in seen if each.progress is Progress.WITHOUT_POD)
        return self._podless.stuck(namespace, lacking, now_seconds)

    # ---------------------------------------------------------------- what goes wrong

    async def _rest(self, workload: Workload, own: Sequence[Fetched], stuck: frozenset[str], now_seconds: float) -> str:
        """Leave alone for a while what cannot be pulled, or gets no pod. Gives why."""
        cause, works = "", there(own)
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

    def _begin(
        self,
        workload: Workload,
        wish: Wish,
        missing: "Mapping[str, _Target]",
        own: Iterable[Fetched],
        doomed: Iterable[Fetched],
        now_seconds: float,
    ) -> tuple[list[Object], list[Fetched]]:
        """The Jobs to make for what is missing, and those of any policy that only keep an image and make way for them."""
        policy, most = claimant(workload), self._settings.max_fetches
        if not missing:
            return [], []
        sizes = self._watches.nodes.made(_EVERY, image_bytes)
        wanted = [self._fetch(workload, wish, name, at, sizes) for name, at in missing.items()]
        everywhere = list(self._everywhere())
        unseen = self._unseen.beside({key(each.job) for each in everywhere}, now_seconds)
        jobs = {key(job): job for job in (*(each.job for each in everywhere if alive(each.job)), *unseen)}
        lacking = {at: asked.missing for at, asked in self._recent(now_seconds).items()}
        may_begin = within_share(policy, wanted, Counter(map(holder, jobs.values())), lacking, most)
        self._room = self._watches.nodes.made(_EVERY, rooms_bytes)
        may_begin = candidates(may_begin, self._room, self._settings.limits)
        self._wanted[policy] = _Wanted(now_seconds, len(wanted), may_begin)
        begun = self._choose(everywhere, unseen, now_seconds) & missing.keys()
        waiting = tuple(each for each in may_begin if each.name not in begun)
        self._wanted[policy] = _Wanted(now_seconds, len(wanted) - len(begun), waiting)
        left = [
            (at.content.what, each)
            for (name, at), each in zip(missing.items(), wanted, strict=True)
            if name not in begun
        ]
        on_a_node, limit = there(own), most if self._full else None
        self._shortfalls.keep_out(policy, left_out(left, on_a_node, self._room, limit))
        new: list[Object] = [fetch_job(workload, missing[name].content, missing[name].node) for name in sorted(begun)]
        if not new:
            return [], []
        for each in doomed:
            jobs.pop(key(each.job), None)
        kept = [each for each in everywhere if each.progress is Progress.HELD and key(each.job) in jobs]
        way = making_way(kept, [*jobs.values(), *new], most)
        self._brought |= {key(each.job).name: now_seconds for each in way}
        return new, way

    def _choose(self, everywhere: list[Fetched], unseen: list[Object], now_seconds: float) -> set[str]:
        """Names of the Jobs to begin now, of all policies."""
        going = [*unseen, *(each.job for each in everywhere if each.progress in _UNDER_WAY)]
        under_way = Counter(_notes(job).get(NODE, "") for job in going)
        tenants = dict.fromkeys(self._watches.fetching, 0) | Counter(key(job).namespace for job in going)
        wanted = (asked.fetches for asked in self._recent(now_seconds).values())
        at_work = [each for each in everywhere if alive(each.job) and each.progress is not Progress.HELD]
        held = len(at_work) + len(unseen)
        chosen = choose(wanted, under_way, tenants, held, self._room, self._settings.limits)
        self._full = held + len(chosen) >= self._settings.max_fetches
        return {fetch.name for fetch in chosen}

    def _recent(self, now_seconds: float) -> "dict[Key, _Wanted]":
        """What policies want. One that has had no turn lately, such as one that is refused, keeps no other one waiting."""
        return {at: asked for at, asked in self._wanted.items() if now_seconds - asked.at_seconds < TURN_SECONDS}

    async def _create(
        self, workload: Workload, new: Sequence[Object], now_seconds: float
    ) -> tuple[tuple[str, ...], str]:
        self._unseen.expect(new, now_seconds)
        self._podless.made(map(key, new), now_seconds)
        self._swept |= {workload.namespace} if new else set()
        created, stopped = await create_jobs(self._kube, new, self._unseen)
        if stopped is None:
            return created, ""
        what, why = _notes(stopped.job)[FETCHED], str(stopped.error)
        self._rests.begin((claimant(workload), what, ""), why, now_seconds)
        self._shortfalls.fail(claimant(workload), what, why)
        return created, why

    def _stray(self, job: Object, now_seconds: float) -> bool:
        spec = served(job, self._watches.policies)
        if spec is None:
            return True
        asks = (spec.get("image") or {}).get("prePull") or (spec.get("weights") or {}).get("method") in _BY_FETCH
        return not asks or (alive(job) and outlived(job, self._settings.deadline_seconds, now_seconds))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a policy lacked at its last turn."""

    at_seconds: float
    missing: int  # on all nodes
    fetches: tuple[Fetch, ...]  # of which may begin


@dataclass(frozen=True, slots=True)
class _Target:
    """Something that is wanted on a node."""

    node: Object
    content: Content


def _in_use(node: Object, busy: frozenset[str], now_seconds: float) -> bool:
    """Whether a replica may come to the node soon, or one is there: a pod of ours must not keep an idle node alive."""
    return key(node).name in busy or now_seconds - (created_seconds(node) or 0.0) < YOUNG_SECONDS


def _notes(job: Object) -> Mapping[str, str]:
    notes: Mapping[str, str] = metadata(job).get("annotations") or {}
    return notes


def _whats(wish: Wish | None) -> tuple[str, ...]:
    return tuple({each.what for contents in wish.contents.values() for each in contents}) if wish else ()


def _failed(own: Iterable[Fetched]) -> str:
    """Why a fetch failed whose node is left alone now; empty if none did."""
    failed = next((each for each in own if each.progress is Progress.FAILED), None)
    return "" if failed is None else sentence(failed)
