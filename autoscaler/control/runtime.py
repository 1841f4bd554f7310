"""One policy under way: what is known of its target, what it remembers, and what was decided last.

Other parts pass in what they learn through methods, and only these methods change a value; everyone else reads the
properties. Not here: reading the API or Prometheus (the parts beside the loop), when to decide, and what a decision sets off.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from autoscaler.actuators.base import Actuator, Refused
from autoscaler.control.supply import endpoints, replicas, starts, supply
from autoscaler.kube.objects import Key, Object, alive, key, labels
from autoscaler.kube.ours import BALLOON, BALLOON_PODS
from autoscaler.kube.scale import Scale
from autoscaler.kube.watches import Watches
from autoscaler.reporting.readings import Readings
from autoscaler.reporting.report import PolicyReport
from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.scrape import Address
from autoscaler.sources.transport import Transport
from autoscaler.starts.served_model import served_model
from crds.notation.selectors import Selector
from crds.schedules import windows
from crds.workload import Endpoint, Workload
from forecasting.fit import Fit
from forecasting.forecaster import Forecaster
from forecasting.series import Series
from forecasting.worth import Law
from policies.backfill import Past
from policies.decider import Decider
from policies.engine import Proposal
from policies.fetches import Ability, ahead
from policies.ladder import lead_seconds
from policies.model import Fan, Grant, Inputs, Mode, Plan, PodSample, Policy, State, StepResult
from policies.pool import Granted
from policies.residual import starting
from policies.seen import PodSeen
from policies.series import late_after_seconds
from policies.supply import ColdStart, Rung, StageName, Supply

_UNREAD = SourceError(SourceErrorKind.TRANSPORT, "how the pods are reached has not been read yet")
LOST_SECONDS = 20.0  # after which a target that cannot be read is no hiccup: more than a grid step
UNHEEDED_SECONDS = 300.0  # after which a scale above what was decided is no HPA's next step
GONE_SECONDS = 300.0  # after which a target that does not exist is not just being made again


class PolicyRuntime:
    """A policy, its decider, and the inputs of its next decision."""

    def __init__(
        self,
        workload: Workload,
        state: State,
        watches: Watches,
        actuators: Sequence[Actuator],
        now_seconds: float,
        *,
        state_problem: str = "",
    ) -> None:
        self._workload = workload
        self._decider = Decider(workload.policy, Forecaster(), state)
        self._watches = watches
        self._actuators = actuators
        self._state_problem = state_problem
        self._problem = ""
        self._history_problem = ""
        self._deciding = False
        self._scale: Scale | None = None
        self._scale_seconds = now_seconds  # when it was last read; at first, since when that has been tried
        self._template: Object | None = None
        self._model_name = ""
        self._template_problem = ""
        self._template_seconds = -math.inf
        self._target_problem = ""
        self._unheeded_since: float | None = None
        self._target_missing_since: float | None = None
        self._target_gone = False
        self._refused: Refused | None = None
        self._missing_since: tuple[int, float] | None = None  # pods that the target has, and since when that is too few
        self._balloon_problem = ""
        self._unprepared = False  # no node can be prepared for the target
        self._abilities: tuple[Ability, ...] = ()
        self._fetch_problem = ""
        self._filled: Mapping[str, PodSample] = {}
        self._transport: Transport | SourceError = _UNREAD
        self._transport_due_seconds = -math.inf
        self._readings: Readings | None = None
        self._learned: tuple[ColdStart, ColdStart] | None = None  # what was learned, and from which given cold start
        self._unseen: tuple[str, ...] = ()  # what shows parts of starts, and cannot be read
        self._granted: Granted | None = None
        self._pool_problem = self._pool_contact = ""
        self._standby: Ability | None = None
        self._result: StepResult | None = None
        self._fan: Fan | None = None
        self._plan: Plan | None = None
        self._plan_before: Plan | None = None
        self._listeners: list[Callable[[], None]] = []

    # ---------------------------------------------------------------- what is read

    @property
    def key(self) -> str:
        """namespace/name of the policy."""
        return self._workload.policy.name

    @property
    def workload(self) -> Workload:
        """The policy in its last valid version."""
        return self._workload

    @property
    def policy(self) -> Policy:
        """What decisions are made by: the policy's settings, without prepared nodes where none are possible."""
        return self._decider.policy

    @property
    def cold_start(self) -> ColdStart:
        """How a replica starts: as learned, else as stated or by the profile; with what is brought to its node ahead of it."""
        found = self._workload.cold_start
        if self._learned is not None and self._learned[1] == found:
            found = self._learned[0]
        return replace(found, ahead=ahead(self._abilities)) if self._abilities else found

    @property
    def _effective(self) -> Policy:
        policy = self._workload.policy
        return replace(policy, max_prepared_nodes=0) if self._unprepared else policy

    @property
    def state(self) -> State:
        """What the policy remembers."""
        return self._decider.state

    @property
    def deciding(self) -> bool:
        """Whether decisions are made: from `begin` to `end`."""
        return self._deciding

    @property
    def template(self) -> Object | None:
        """The target's pod template; None until it is read, and where there is none."""
        return self._template

    @property
    def model_name(self) -> str:
        """The name of its model on vLLM's own series, by the target's pod template; empty where that does not say it."""
        return self._model_name

    @property
    def template_problem(self) -> str:
        """Why the target has no template that nodes can be prepared for; empty where it has one, and before it is read."""
        return self._template_problem

    @property
    def template_seconds(self) -> float:
        """When the template was read; minus infinity before that."""
        return self._template_seconds

    @property
    def transport(self) -> Transport | SourceError:
        """How its pods are reached, or why they cannot be."""
        return self._transport

    @property
    def transport_due_seconds(self) -> float:
        """When that is to be read again; minus infinity until it was read for the endpoint as it is."""
        return self._transport_due_seconds

    @property
    def filled(self) -> Mapping[str, PodSample]:
        """Samples by pod from Prometheus, of pods that a scrape does not reach."""
        return self._filled

    @property
    def result(self) -> StepResult | None:
        """What the last turn of the decider gave."""
        return self._result

    @property
    def plan(self) -> Plan | None:
        """The last decision."""
        return self._plan

    @property
    def plan_before(self) -> Plan | None:
        """The decision before the last one."""
        return self._plan_before

    @property
    def selector(self) -> Selector | None:
        """Which pods are the target's; None until it is read."""
        return None if self._scale is None else self._scale.selector

    @property
    def refused(self) -> Refused | None:
        """The replicas that the API server does not let be created."""
        return self._refused

    @property
    def missing(self) -> int:
        """Replicas of the scale that have no pod."""
        if self._scale is None or self._scale.status_replicas is None:
            return 0
        return max(0, self._scale.spec_replicas - self._scale.status_replicas)

    def missing_seconds(self, now_seconds: float) -> float:
        """For how long no missing replica has got a pod."""
        return 0.0 if self._missing_since is None else now_seconds - self._missing_since[1]

    @property
    def lacks_pods(self) -> bool:
        """Whether fewer pods are listed than its scale asks for: some kinds count only those that are ready."""
        pods = self._watches.pods(self._workload.namespace)
        return self._scale is not None and replicas(self._scale, pods) < self._scale.spec_replicas

    @property
    def spec_replicas(self) -> int | None:
        """The replicas that its scale asks for, as last read; None until then."""
        return None if self._scale is None else self._scale.spec_replicas

    @property
    def unheeded(self) -> bool:
        """Whether its scale has been above what was decided for minutes, as under a paused ScaledObject."""
        return self._unheeded_since is not None and self._scale_seconds - self._unheeded_since >= UNHEEDED_SECONDS

    @property
    def target_gone(self) -> bool:
        """Whether its target has not existed for minutes, and none of its pods does: then it holds nothing."""
        return self._target_gone

    @property
    def known_replicas(self) -> int:
        """Replicas that it is known to hold, also before its first decision: those of its scale and those decided last."""
        decided, scale = self.state.decided, self._scale
        last = max([count for _, count in decided.peaks], default=0) if decided.replicas is None else decided.replicas
        return max(0 if scale is None else scale.spec_replicas, last)

    @property
    def has_balloons_near(self) -> bool:
        """Whether its namespace has balloons, of whichever policy."""
        return any(map(alive, self._watches.jobs(self._workload.namespace)))

    @property
    def watchful(self) -> bool:
        """Whether a balloon near it may soon have to go: a replica is on its way, or a balloon has no pod yet."""
        namespace, scale = self._workload.namespace, self._scale
        jobs = [job for job in self._watches.jobs(namespace) if alive(job)]
        if not jobs or scale is None:
            return False
        decided = 0 if self._plan is None or self._workload.mode is Mode.SHADOW else self._plan.desired_replicas
        pods = scale.spec_replicas if scale.status_replicas is None else scale.status_replicas
        known = {labels(pod).get(BALLOON) for pod in self._watches.pods(namespace).matching(BALLOON_PODS)}
        return max(decided, scale.spec_replicas) > pods or any(key(job).name not in known for job in jobs)

    def endpoints(self) -> dict[Key, Address]:
        """Where its pods are scraped."""
        namespace, late_after = self._workload.namespace, late_after_seconds(self._workload.policy.queue_wait_seconds)
        return {
            Key(namespace, pod): Address(urls, self._transport, late_after) for pod, urls in self._endpoints().items()
        }

    def _endpoints(self) -> Mapping[str, tuple[str, ...]]:
        return endpoints(self._workload, self._scale, self._watches.pods(self._workload.namespace))

    def replicas(self, container: str) -> tuple[PodSeen, ...]:
        """Its pods that serve or will, as they are seen to start; the engine is the container of that name."""
        if self._scale is None:
            return ()
        pods = self._watches.pods(self._workload.namespace)
        return pods.made(self._scale.selector, starts, self._workload.endpoint.pod_labels, container)

    def supply(self, now_seconds: float) -> Supply | None:
        """What there is of it; None (unknown) also where the API has been away for too long."""
        standby = (actuator.observe(self._workload, now_seconds) for actuator in self._actuators)
        pods = self._watches.pods(self._workload.namespace)
        return supply(self._scale, pods, standby, now_seconds, self._workload.endpoint.pod_labels)

    def inputs(self, scraped: Mapping[Key, PodSample], now_seconds: float, *, on_grid: bool) -> Inputs:
        """All that one decision is made from, but for the forecast."""
        namespace, filled = self._workload.namespace, self._filled
        samples = (newest(scraped.get(Key(namespace, pod)), filled.get(pod)) for pod in self._endpoints())
        cold_start = self.cold_start
        lead = lead_seconds(cold_start, Rung.REQUESTED)
        return Inputs(
            now_seconds=now_seconds,
            on_grid=on_grid,
            samples=tuple(sample for sample in samples if sample is not None),
            supply=self.supply(now_seconds),
            cold_start=cold_start,
            windows=windows(self._workload.schedules, now_seconds, lead),
        )

    def report(self, now_seconds: float) -> PolicyReport:
        """What there is to report at `now_seconds`."""
        holds_until_seconds = self.state.decided.blind_until_seconds or 0.0
        supply = self.supply(now_seconds)
        return PolicyReport(
            workload=self._workload,
            supply=supply,
            starting=() if supply is None else starting(supply, self.cold_start, now_seconds),
            demand=None if self._result is None else self._result.demand,
            plan=self._plan,
            plan_before=self._plan_before,
            readings=self._readings,
            cold_start=self.cold_start if self._learned else None,
            unseen=self._unseen,
            fan=self._fan,
            problem=self._problem,
            refused="" if self._refused is None else self._refused.sentence,
            balloon_problem=self._balloon_problem,
            capabilities=self._capabilities,
            target_problem=self._target_problem if now_seconds - self._scale_seconds > LOST_SECONDS else "",
            granted=self._granted,
            pool_problem=self._pool_problem,
            pool_contact=self._pool_contact,
            state_problem=self._state_problem if now_seconds < holds_until_seconds else "",
            history_problem=self._history_problem if now_seconds < holds_until_seconds else "",
        )

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each decision, and after each edit of the policy."""
        self._listeners.append(listener)

    # ---------------------------------------------------------------- what is handed in

    def follow(self, workload: Workload, now_seconds: float) -> None:
        """Take another valid version of the policy. What Shadow decided never ran: Active begins as after a restart."""
        activated = self._workload.mode is Mode.SHADOW and workload.mode is Mode.ACTIVE
        if workload.endpoint != self._workload.endpoint:  # a token is for the servers that its own version names
            self._transport, self._transport_due_seconds = _UNREAD, -math.inf
        self._workload, self._problem = workload, ""
        self._decider.policy = self._effective
        if activated:
            self._state_problem = ""  # the hold that follows is not on its account
            self.restart(now_seconds)
        self._notify()

    def refuse(self, problem: str) -> None:
        """The policy has a newer version that is not valid: the last valid one stays."""
        self._problem = problem

    def remember(self, history: Iterable[Past], now_seconds: float) -> int:
        """Take what the workload did before this process. Gives how many points were of use."""
        return self._decider.remember(history, now_seconds)

    def catch_up(self, before: State, after: State, points: Iterable[tuple[float, float]], now_seconds: float) -> None:
        """Take a history that was read while decisions were made: it leads from `before`, where they began, to `after`."""
        self._decider.catch_up(before, after, points, now_seconds)

    def offer_history_problem(self, problem: str) -> None:
        """Take what is wrong with the history that was read at start, empty if nothing is."""
        self._history_problem = problem

    def restart(self, now_seconds: float) -> None:
        """Take what runs as decided, and let nothing fall until one hold has passed."""
        self._decider.restart(self.cold_start, now_seconds)

    def begin(self, now_seconds: float) -> None:
        """Decisions may be made from now on, and begin as after a restart."""
        self.restart(now_seconds)
        self._deciding = True

    def end(self) -> None:
        """The policy is gone: whoever still has its runtime decides nothing for it."""
        self._deciding = False

    def offer_scale(self, scale: Scale, now_seconds: float) -> bool:
        """Take the target's scale. Gives whether other pods than before are the target's."""
        before, self._scale, self._scale_seconds = self._scale, scale, now_seconds
        if self._plan is None or scale.spec_replicas <= self._plan.desired_replicas:
            self._unheeded_since = None
        elif self._unheeded_since is None:
            self._unheeded_since = now_seconds
        if not self.missing or scale.status_replicas is None:
            self._missing_since = None
        elif self._missing_since is None or self._missing_since[0] != scale.status_replicas:
            self._missing_since = scale.status_replicas, now_seconds
        return before is None or before.selector != scale.selector

    def offer_template(self, template: Object | None, now_seconds: float, problem: str = "") -> None:
        """Take the target's pod template; None with the reason where it has none that nodes can be prepared for."""
        self._template, self._template_problem, self._template_seconds = template, problem, now_seconds
        self._model_name = served_model(template)

    def offer_refused(self, refused: Refused | None) -> bool:
        """Take which replicas are refused, None if none. Gives whether that is news."""
        before, self._refused = self._refused, refused
        return refused is not None and before is None

    def offer_balloon_problem(self, problem: str, *, impossible: bool) -> bool:
        """Take why fewer nodes are prepared than planned; empty if they are not. Gives whether that is news.

        Where none can be prepared, decisions reckon with the whole lead of a replica.
        """
        before, self._balloon_problem = self._balloon_problem, problem
        self._unprepared = impossible
        self._decider.policy = self._effective
        return problem not in ("", before)

    def offer_abilities(self, abilities: tuple[Ability, ...], problem: str) -> bool:
        """Take whether images and weights come to nodes ahead of replicas, and what went wrong. Gives whether that is news."""
        before, self._fetch_problem = self._fetch_problem, problem
        self._abilities = abilities
        return problem not in ("", before)

    def offer_standby(self, found: Ability | None) -> None:
        """Take whether standby nodes of its pool are of use to it; None where it has none."""
        self._standby = found

    @property
    def _capabilities(self) -> tuple[Ability, ...]:
        shared = () if self._standby is None or not self._workload.pool else (self._standby,)
        if not self._workload.policy.max_prepared_nodes:
            return (*shared, *self._abilities)
        works, said = not self._unprepared, "Balloons hold nodes that the plan wants."
        return (
            Ability("PreparedNodes", StageName.NODE, works, said if works else self._balloon_problem),
            *shared,
            *self._abilities,
        )

    def offer_target_problem(self, problem: str) -> bool:
        """Take why the target cannot be read, empty if it can. Gives whether that is news."""
        before, self._target_problem = self._target_problem, problem
        return problem != before

    def offer_target_missing(self, now_seconds: float, *, is_missing: bool) -> None:
        """Take whether the target does not exist. Of one that was gone and comes back nothing runs that was decided before."""
        if not is_missing:
            was_gone, self._target_missing_since, self._target_gone = self._target_gone, None, False
            if was_gone:
                self.restart(now_seconds)
            return
        if self._target_missing_since is None:
            self._target_missing_since = now_seconds
        pods = self._watches.pods(self._workload.namespace)
        has_pods = self._scale is not None and replicas(self._scale, pods) > 0
        passed_seconds = now_seconds - self._target_missing_since
        self._target_gone = passed_seconds >= GONE_SECONDS and pods.current(now_seconds) and not has_pods

    def offer_transport(self, found: Transport | SourceError, at: Endpoint, due_seconds: float) -> bool:
        """Take how the pods of an endpoint are reached, or why they cannot be. Gives whether that is news."""
        if at != self._workload.endpoint:  # it changed meanwhile, and is read next
            return False
        self._transport_due_seconds = due_seconds
        before, is_error = self._transport, isinstance(found, SourceError)
        if before == found or (is_error and str(before) == str(found)):
            return False  # the object of before stays, and with it the connections that are open
        self._transport = found
        return True

    def offer_granted(self, granted: Granted | None, problem: str, contact: str = "") -> None:
        """Take what the pool grants of the proposal that is settled next, and why the pool cannot be used; empty if it can.

        `contact` says whom to ask for more.
        """
        self._granted, self._pool_problem, self._pool_contact = granted, problem, contact

    def offer_readings(self, readings: Readings | None) -> None:
        """Take how the sources stand; None where that is unknown."""
        self._readings = readings

    def offer_cold_start(self, learned: ColdStart, given: ColdStart, unseen: tuple[str, ...]) -> None:
        """Take the cold start as learned, with what the policy or its profile gave then; and what cannot be seen of starts."""
        self._learned, self._unseen = (learned, given), unseen

    def offer_filled(self, samples: Mapping[str, PodSample]) -> None:
        """Take samples by pod from Prometheus, of pods that a scrape does not reach."""
        self._filled = samples

    def fit_due(self, now_seconds: float) -> tuple[Series, Law] | None:
        """What the forecast has to be fitted on now, and the law that it has to save money for; None where no fit is due."""
        series = self._decider.forecaster.fit_due(now_seconds)
        return None if series is None else (series, Law.of(self._workload.policy, self.cold_start))

    def adopt_fit(self, fit: Fit | None, now_seconds: float) -> None:
        """Forecast by this fit from the next grid step on; None is a fit that failed."""
        self._decider.forecaster.adopt(fit, now_seconds)

    # ---------------------------------------------------------------- the decision

    def propose(self, inputs: Inputs) -> Proposal | None:
        """Propose a decision. None between two ticks where nothing is urgent."""
        return self._decider.propose(inputs)

    def settle(self, proposal: Proposal, grant: Grant | None) -> StepResult:
        """Decide what was granted of the proposal that was made last."""
        self._result, self._fan = self._decider.settle(proposal, grant), proposal.inputs.fan
        if self._result.plan is not None:
            self._plan_before, self._plan = self._plan, self._result.plan
        self._notify()
        return self._result

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()


def newest(scraped: PodSample | None, filled: PodSample | None) -> PodSample | None:
    """The younger of two samples of a pod."""
    if scraped is None or filled is None:
        return scraped if filled is None else filled
    return max(scraped, filled, key=lambda sample: sample.at_seconds)
