"""A small vocabulary for tests of pools: offerings, members, standby nodes, and hypothesis strategies for them."""

from dataclasses import replace

from hypothesis import strategies as st

from policies.model import Grant
from policies.pool import (
    Ask,
    Day,
    Limits,
    Offering,
    OfferingInput,
    OfferingKind,
    Pool,
    PoolInputs,
    Seat,
    StandbyPhase,
    StandbySettings,
    StandbyUnit,
)
from tests.support.worlds import START, TICK

DAY_START = START // 86_400 * 86_400
DAY = Day("2025-10-09", DAY_START, DAY_START + 86_400.0)
RESERVED = Offering("reserved", OfferingKind.RESERVED, 2.0, 1, 4)
SPOT = Offering("spot", OfferingKind.SPOT, 1.0, 1)
ON_DEMAND = Offering("on-demand", OfferingKind.ON_DEMAND, 4.0, 1)
SEAT = Seat("all", "search", 0, 1.0, 0, None)
PATIENCE = 240.0
LEAD = 270.0


def a_pool(*offerings: Offering, limits: Limits | None = None, most: int = 4, least: int = 0) -> Pool:
    return Pool(
        "h100",
        "platform",
        "#gpus",
        offerings or (RESERVED, SPOT, ON_DEMAND),
        limits or Limits(),
        StandbySettings(most, least),
    )


def an_ask(workload: str = "chat/qwen", replicas: int = 4, gpus_per_replica: int = 1, **changes: object) -> Ask:
    """A member of so many replicas that serve, that asks for no more and needs what it has."""
    gpus = gpus_per_replica
    found = Ask(
        workload=workload,
        seat=SEAT,
        gpus_per_replica=gpus,
        kept_replicas=replicas,
        needed_replicas=replicas,
        held_replicas=replicas,
        asked=Grant(replicas, 0),
        level_gpus=float(replicas * gpus),
        serving_gpus=replicas * gpus,
        price_per_gpu_hour=2.0,
        used_gpus=replicas * gpus / 2,
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def a_unit(
    offering: str = "reserved",
    phase: StandbyPhase = StandbyPhase.READY,
    *,
    name: str = "standby-0",
    since: float = START,
    requested: float | None = None,
    node: str | None = None,
) -> StandbyUnit:
    """A standby unit; once its node has registered, that is named after it unless another name is given."""
    placed = phase in (StandbyPhase.STARTING, StandbyPhase.READY)
    at = since if requested is None else requested
    return StandbyUnit(name, offering, phase, at, since, f"node-of-{name}" if placed and node is None else node)


def pool_inputs(
    now: float = START,
    asks: tuple[Ask, ...] = (),
    standby: tuple[StandbyUnit, ...] | None = (),
    pool: Pool | None = None,
    **changes: object,
) -> PoolInputs:
    """The inputs of a tick at which every offering is open and has the nodes of the standby."""
    units = standby or ()
    offerings = tuple(
        OfferingInput(
            each.name, True, sum(unit.offering == each.name and unit.node is not None for unit in units), PATIENCE
        )
        for each in (pool or a_pool()).offerings
    )
    inputs = PoolInputs(
        now_seconds=now,
        on_grid=True,
        asks=asks,
        standby=standby,
        offerings=offerings,
        day=DAY,
        node_lead_seconds=LEAD,
    )
    return replace(inputs, **changes)  # type: ignore[arg-type]


def seeing(inputs: PoolInputs, offering: str, **changes: object) -> PoolInputs:
    """The inputs with something else seen of one offering."""
    return replace(
        inputs,
        offerings=tuple(
            replace(each, **changes) if each.name == offering else each  # type: ignore[arg-type]
            for each in inputs.offerings
        ),
    )


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    found = [
        Offering(
            f"offering-{index}",
            draw(st.sampled_from(OfferingKind)),
            draw(st.sampled_from([0.0, 0.5, 3.0])),
            draw(st.sampled_from([1, 2, 8])),
            draw(st.none() | st.integers(0, 6)),
        )
        for index in range(draw(st.integers(1, 3)))
    ]
    limits = Limits(draw(st.none() | st.integers(0, 60)), draw(st.none() | st.sampled_from([1.0, 100.0, 5000.0])))
    most = draw(st.integers(0, 6))
    settings = StandbySettings(most, draw(st.integers(0, most)), draw(st.sampled_from([0.0, 60.0, 300.0])))
    return Pool("h100", "platform", "", tuple(found), limits, settings)


@st.composite
def asks(draw: st.DrawFn, workload: str) -> Ask:
    gpus, held, serving = draw(st.sampled_from([1, 2, 8])), draw(st.integers(0, 8)), draw(st.integers(0, 8))
    serving = min(serving, held)
    starting = draw(st.integers(0, held - serving))
    asked = draw(st.integers(0, 12))
    kept = min(asked, held)
    return Ask(
        workload=workload,
        seat=draw(st.none() | st.just(SEAT) | st.just(replace(SEAT, priority=3, guaranteed_gpus=4, max_gpus=16))),
        gpus_per_replica=gpus,
        kept_replicas=kept,
        needed_replicas=draw(st.integers(0, kept)),
        held_replicas=held,
        asked=Grant(asked, draw(st.integers(0, 2))),
        level_gpus=draw(st.none() | st.floats(0.0, 60.0)),
        serving_gpus=serving * gpus,
        starting_gpus=starting * gpus,
        unplaced_gpus=draw(st.integers(0, held - serving - starting)) * gpus,
        shadow=draw(st.booleans()),
        price_per_gpu_hour=draw(st.sampled_from([0.0, 2.5])),
        used_gpus=draw(st.floats(0.0, 60.0)),
    )


@st.composite
def histories(draw: st.DrawFn, pool: Pool, *, known: bool = False) -> list[PoolInputs]:
    """Some ticks of a pool, at which anything may be seen; `known`: nothing is unknown at any of them."""
    now, found = START, []
    for _ in range(draw(st.integers(1, 6))):
        now += draw(st.sampled_from([TICK, TICK, 60.0, 600.0, 30_000.0]))
        found.append(draw(moments(pool, now, known=known)))
    return found


@st.composite
def moments(draw: st.DrawFn, pool: Pool, now: float, *, known: bool = False) -> PoolInputs:
    units = [draw(_units(pool, index, now)) for index in range(draw(st.integers(0, 4)))]
    offerings = [
        OfferingInput(
            each.name,
            draw(st.booleans()),
            draw(st.integers(0, 6)),
            PATIENCE,
            draw(st.none() | st.floats(now, now + 900.0)),
            draw(st.none() | st.floats(now - 900.0, now + 90.0)),
        )
        for each in pool.offerings
    ]
    members = [draw(asks(f"space/member-{index}")) for index in range(draw(st.integers(0, 3)))]
    if known:
        members = [replace(each, level_gpus=each.level_gpus or 0.0) for each in members]
    day = now // 86_400 * 86_400
    return PoolInputs(
        now_seconds=now,
        on_grid=draw(st.integers(0, 4)) > 0,
        asks=tuple(members),
        standby=tuple(units) if known or draw(st.integers(0, 4)) else None,
        offerings=tuple(offerings),
        day=Day(f"day-{day:.0f}", day, day + 86_400.0),
        node_lead_seconds=draw(st.sampled_from([20.0, 120.0, 400.0])),
        leaving_nodes=draw(st.sampled_from([0, 0, 0, 2])),
        replicas_on=draw(
            st.sampled_from([(), (("node-0", "space/member-0"),), (("node-1", "space/member-1"), ("node-1", "x/y"))])
        ),
        other_gpus=draw(st.integers(0, 3)),
    )


@st.composite
def _units(draw: st.DrawFn, pool: Pool, index: int, now: float) -> StandbyUnit:
    phase = draw(st.sampled_from(StandbyPhase))
    requested = now - draw(st.floats(0.0, 900.0))
    node = f"node-{index}" if phase in (StandbyPhase.STARTING, StandbyPhase.READY) else None
    offering = draw(st.sampled_from(pool.offerings)).name
    return StandbyUnit(f"standby-{index}", offering, phase, requested, draw(st.floats(requested, now)), node)
