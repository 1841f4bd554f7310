"""One pool under way: its settings, what it remembers, and what was decided last.

As with a policy's runtime, other parts pass in what they learn through methods, and everyone else reads the properties. Not
here: what a decision is made from (`pool_inputs`), and what it sets off (`pool_runner`).
"""

from collections.abc import Callable, Mapping

from autoscaler.reporting.pool_report import PoolReport
from crds.pool import GpuPool
from policies.pool import PoolInputs, PoolPlan, PoolResult, PoolState, Seat

LASTING_SECONDS = 300.0  # a problem of standby nodes that is no hiccup: the members' status then has it


class PoolRuntime:
    """A pool, its state, and its last decision."""

    def __init__(self, pool: GpuPool, state: PoolState) -> None:
        self._pool = pool
        self._state = state
        self._inputs: PoolInputs | None = None
        self._plan: PoolPlan | None = None
        self._plan_before: PoolPlan | None = None
        self._usd_per_hour: float | None = None
        self._problem = ""
        self._standby_problem = ""
        self._standby_fails_since: float | None = None
        self._foreign = ""
        self._gpus_by_pod: Mapping[str, Mapping[tuple[str, str], int]] = {}
        self._seats: dict[
            str, tuple[Mapping[str, str], Seat | None]
        ] = {}  # by namespace: its labels, and what they give
        self._prices: dict[str, float] = {}  # of a GPU-hour, by member
        self._listeners: list[Callable[[], None]] = []

    @property
    def name(self) -> str:
        """The pool's name."""
        return self._pool.name

    @property
    def pool(self) -> GpuPool:
        """The pool in its last valid version."""
        return self._pool

    @property
    def state(self) -> PoolState:
        """What the pool remembers."""
        return self._state

    @property
    def plan(self) -> PoolPlan | None:
        """The last decision."""
        return self._plan

    @property
    def saw_standby(self) -> bool:
        """Whether the last decision knew which standby nodes there are."""
        return self._inputs is not None and self._inputs.standby is not None

    def standby_fails(self, now_seconds: float) -> str:
        """Why no standby node can be counted on: what has been wrong with them for minutes; empty if nothing has."""
        since = self._standby_fails_since
        return "" if since is None or now_seconds - since < LASTING_SECONDS else self._standby_problem

    @property
    def gpus_by_pod(self) -> Mapping[str, Mapping[tuple[str, str], int]]:
        """By node: the GPUs of each pod (namespace, name) that was on it when it was last looked at."""
        return self._gpus_by_pod

    def price_per_gpu_hour(self, workload: str) -> float | None:
        """What a GPU of a member was last known to cost; None if it never asked."""
        return self._prices.get(workload)

    def seat(self, namespace: str, namespace_labels: Mapping[str, str]) -> Seat | None:
        """What the policies of a namespace may have; None where no rule of the pool selects it."""
        labels, seat = self._seats.get(namespace, (None, None))
        if labels is not namespace_labels:
            seat = self._pool.seat(namespace, namespace_labels)
            self._seats[namespace] = namespace_labels, seat
        return seat

    def report(self, now_seconds: float) -> PoolReport:
        """What there is to report at `now_seconds`."""
        return PoolReport(
            pool=self._pool,
            state=self._state,
            now_seconds=now_seconds,
            inputs=self._inputs,
            plan=self._plan,
            plan_before=self._plan_before,
            usd_per_hour=self._usd_per_hour,
            problem=self._problem,
            standby_problem=self._standby_problem,
            foreign=self._foreign,
        )

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each decision, and after each edit of the pool."""
        self._listeners.append(listener)

    # ---------------------------------------------------------------- what is handed in

    def follow(self, pool: GpuPool) -> None:
        """Take another valid version of the pool."""
        self._pool, self._problem = pool, ""
        self._seats.clear()
        self._notify()

    def refuse(self, problem: str) -> None:
        """The pool has a newer version that is not valid: the last valid one stays."""
        self._problem = problem
        self._notify()

    def offer_gpus_by_pod(self, node: str, pods: Mapping[tuple[str, str], int] | None) -> None:
        """Take which pods hold GPUs of a node; None of a node that is gone."""
        found = {name: held for name, held in self._gpus_by_pod.items() if name != node}
        self._gpus_by_pod = found if pods is None else {**found, node: pods}

    def offer_standby_problem(self, problem: str, now_seconds: float, foreign: str = "") -> bool:
        """Take why fewer standby nodes are held than claimed, empty if they are not. Gives whether that is news.

        `foreign` is what somebody else does to what holds them.
        """
        before, self._standby_problem = self._standby_problem, problem
        self._foreign = foreign
        if not problem:
            self._standby_fails_since = None
        elif self._standby_fails_since is None:
            self._standby_fails_since = now_seconds
        return problem not in ("", before)

    def settle(self, inputs: PoolInputs, result: PoolResult) -> None:
        """Commit a decision."""
        before, after = self._state.account, result.state.account
        if inputs.on_grid and before.at_seconds is not None and after.at_seconds is not None:
            elapsed = after.at_seconds - before.at_seconds
            if elapsed > 0.0:
                self._usd_per_hour = (after.total.usd - before.total.usd) * 3600.0 / elapsed
        self._state, self._inputs = result.state, inputs
        self._prices = {ask.workload: ask.price_per_gpu_hour for ask in inputs.asks}
        self._plan_before, self._plan = self._plan, result.plan
        self._notify()

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()
