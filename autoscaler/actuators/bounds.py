"""How many balloons a policy may have, whatever its plan wants: by its template, by priority, by quotas, and by what was refused.

Not here: the caps, which are a matter between policies (`claims`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from autoscaler.actuators.admission import Admission
from autoscaler.actuators.claims import Claims, claimant
from autoscaler.actuators.manifest import BalloonSettings, NoBalloonError, replica_footprint, shape
from autoscaler.actuators.priority import priority, unable
from autoscaler.actuators.quotas import Need, Room, counted, room
from autoscaler.actuators.rests import Rests
from autoscaler.kube.errors import KubeError
from autoscaler.kube.objects import Key, Object
from crds.workload import Workload
from policies.supply import Supply

SHORT_SECONDS = 20.0  # more than a turn of every policy: a quota's count lags, and a replica is refused if it does not
_NO_TEMPLATE = "the target's pod template has not been read, so no balloon is created: see the policy's Ready condition"
_NO_NEED = "what the target's pods take of the ResourceQuotas is not known yet, so no balloon is created"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a policy's balloons are made from, and how many it may have."""

    shape: str | None = None  # None: not known, so none is outdated by it
    most: int = 0
    grows: bool = False  # whether more can be created than there are
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What admission goes by."""

    classes: Mapping[str, Object] | None = None  # None: not read
    quotas: Sequence[Object] = ()
    problem: str = ""  # why it cannot be read


@dataclass(frozen=True, slots=True)
class Present:
    """What is there in the policy's namespace: balloon Jobs that have not ended, and balloon pods that quotas count."""

    jobs: tuple[Object, ...]
    pods: tuple[Object, ...]
    own: int  # of these Jobs, the policy's


class Bounder:
    """Finds the bounds of each policy. Raises nothing for what cannot be read: then no more are created."""

    def __init__(self, admission: Admission, claims: Claims, rests: Rests, settings: BalloonSettings) -> None:
        self._admission = admission
        self._claims = claims
        self._rests = rests
        self._settings = settings
        self._impossible: dict[Key, str] = {}  # by policy: why no balloon can be of use to it
        self._short: dict[Key, float] = {}  # policies that have more than their quotas leave room for, since when

    def need(self, workload: Workload, template: Object | None, supply: Supply | None) -> Need | None:
        """What a policy's replicas need of the quotas; what was known of it while something cannot be read."""
        if template is None or supply is None:
            return self._claims.need(workload)
        spec = template.get("spec") or {}
        try:
            each = replica_footprint(template)
        except NoBalloonError:
            return None
        found = priority(spec, self._admission.known_classes)
        name = found.class_name if found else spec.get("priorityClassName", "")
        return Need(
            counted(each, spec, name),
            counted(each, spec, self._settings.priority_class, jobs=1),
            workload.policy.max_replicas,
            supply.placed + supply.unplaced,
        )

    async def read(self, namespace: str, now_seconds: float, *, quotas: bool) -> Facts:
        """What admission goes by in a namespace."""
        try:
            classes = await self._admission.classes(now_seconds) if self._settings.reads_classes else None
            return Facts(classes, await self._admission.quotas(namespace, now_seconds) if quotas else ())
        except KubeError as error:
            return Facts(problem=f"whether a balloon may be created cannot be read: {error}")

    def impossible(self, workload: Workload, template: Object | None, facts: Facts) -> str:
        """Why no balloon can be of use to the target as it is; empty where one can. The last finding while that is unknown."""
        if template is None:
            return self._impossible.get(claimant(workload), "")
        try:
            shape(workload, template, self._settings)
        except NoBalloonError as error:
            found = str(error)
        else:
            if facts.problem:
                return self._impossible.get(claimant(workload), "")
            found = unable(template.get("spec") or {}, self._settings.priority_class, facts.classes)
        self._impossible[claimant(workload)] = found
        return found

    def of(
        self,
        workload: Workload,
        template: Object | None,
        wanted: int,
        facts: Facts,
        present: Present,
        now_seconds: float,
    ) -> Bounds:
        """The bounds of a policy that wants some, and for which none is impossible."""
        if template is None:
            return Bounds(most=wanted, problem=_NO_TEMPLATE)
        made_of = shape(workload, template, self._settings)
        rests = (self._rests.cause(what, now_seconds) for what in self._resting(workload, made_of))
        if problem := next(filter(None, rests), facts.problem):
            return Bounds(made_of, wanted, problem=problem)
        if facts.quotas and self._claims.need(workload) is None:
            return Bounds(made_of, wanted, problem=_NO_NEED)
        left = self._room(workload, facts.quotas, present)
        if left.most is None or left.most >= wanted:
            self._short.pop(claimant(workload), None)
            return Bounds(made_of, wanted, grows=True)
        return Bounds(made_of, self._kept(workload, left.most, present.own, now_seconds), grows=True, problem=left.why)

    def refused(self, workload: Workload, template: Object | None, cause: str, now_seconds: float) -> None:
        """A balloon of the policy got no pod."""
        try:
            made_of = shape(workload, template, self._settings) if template else ""
        except NoBalloonError:
            made_of = ""
        self._rests.begin(self._resting(workload, made_of)[1], cause, now_seconds)

    def prune(self, now_seconds: float) -> None:
        """Forget policies that are gone, and what is over."""
        self._impossible = {policy: why for policy, why in self._impossible.items() if policy in self._claims}
        self._short = {policy: since for policy, since in self._short.items() if policy in self._claims}
        self._rests.prune(now_seconds)

    @staticmethod
    def _resting(workload: Workload, made_of: str) -> tuple[object, object]:
        """What may rest: the namespace whose replicas were refused, and the policy's balloons of this making."""
        return workload.namespace, (claimant(workload), made_of)

    def _room(self, workload: Workload, quotas: Iterable[Object], present: Present) -> Room:
        own, others = self._claims.needs(workload, present.jobs, present.pods)
        try:
            return Room() if own is None else room(quotas, own, others)
        except ValueError as error:
            return Room(0, f"a ResourceQuota cannot be read: {error}")

    def _kept(self, workload: Workload, most: int, held: int, now_seconds: float) -> int:
        """Balloons that are there are let go once the quota has been too small for them for a while."""
        if held <= most:
            self._short.pop(claimant(workload), None)
            return most
        since_seconds = self._short.setdefault(claimant(workload), now_seconds)
        return most if now_seconds - since_seconds >= SHORT_SECONDS else held
