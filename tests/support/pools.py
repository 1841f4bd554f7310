"""A small vocabulary for tests of a pool's grants: a pool, seats, asks, and hypothesis strategies for all of them."""

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from policies.model import Grant
from policies.pool import Ask, Granted, Limits, Pool, Seat

PRICE = 2.0  # US dollars a GPU-hour


def a_pool(gpus: int | None = None, usd_per_day: float | None = None, name: str = "h100") -> Pool:
    return Pool(name, owner="platform", contact="#gpus", offerings=(), limits=Limits(gpus, usd_per_day))


def a_seat(member: str = "all", **changes: object) -> Seat:
    seat = Seat(member, owner="", priority=0, weight=1.0, guaranteed_gpus=0, max_gpus=None)
    return replace(seat, **changes)  # type: ignore[arg-type]


def an_ask(
    workload: str, asked: int, kept: int = 0, *, needed: int | None = None, prepared: int = 0, **changes: object
) -> Ask:
    """`asked` replicas of one GPU each, of which `kept` run; all of these are needed unless `needed` says less."""
    ask = Ask(
        workload=workload,
        seat=a_seat(),
        gpus_per_replica=1,
        kept_replicas=kept,
        needed_replicas=asked if needed is None else needed,
        held_replicas=kept,
        asked=Grant(asked, prepared),
        price_per_gpu_hour=PRICE,
    )
    return replace(ask, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Turn:
    """The arguments of one allocation."""

    pool: Pool
    asks: tuple[Ask, ...]
    spent_usd: float = 0.0
    projected_usd: float | None = 0.0
    hours_left: float = 0.0


small = st.integers(0, 8)


@st.composite
def seats(draw: st.DrawFn, member: str) -> Seat:
    guaranteed = draw(st.one_of(st.just(0), small))
    return Seat(
        member=member,
        owner=draw(st.sampled_from(["", "search"])),
        priority=draw(st.integers(0, 2)),
        weight=draw(st.sampled_from([0.5, 1.0, 2.0, 3.0])),
        guaranteed_gpus=guaranteed,
        max_gpus=draw(st.one_of(st.none(), st.none(), st.none(), st.integers(guaranteed, guaranteed + 12))),
    )


@st.composite
def asks(draw: st.DrawFn, workload: str, seat: Seat | None, *, prepared: bool) -> Ask:
    asked, shadow = draw(st.integers(0, 12)), draw(st.integers(0, 14)) == 0
    kept = min(asked, draw(st.integers(0, 12)))
    nodes = draw(st.integers(0, 2)) if prepared else 0
    return Ask(
        workload=workload,
        seat=seat,
        gpus_per_replica=draw(st.sampled_from([1, 1, 2, 4])),
        kept_replicas=kept,
        needed_replicas=kept if shadow else draw(st.one_of(st.just(asked), st.integers(0, kept))),
        held_replicas=kept + draw(st.integers(0, 2)),
        asked=Grant(asked, nodes),
        shadow=shadow,
        price_per_gpu_hour=draw(st.sampled_from([1.0, PRICE])),
        held_prepared=min(nodes, draw(st.integers(0, 1))),
        settled=draw(st.integers(0, 4)) == 0,
    )


@st.composite
def turns(draw: st.DrawFn, *, prepared: bool = True) -> Turn:
    """Up to eight members of up to three rules, or of none, on a pool that is often too small."""
    rules = [draw(seats(f"rule-{at}")) for at in range(draw(st.integers(1, 3)))]
    seated = st.sampled_from([*rules * 4, None])
    members = [draw(asks(f"team/{at}", draw(seated), prepared=prepared)) for at in range(draw(st.integers(1, 8)))]
    kept = sum(kept_gpus(ask) for ask in members)
    spare = draw(st.one_of(st.none(), st.integers(-3, 6), st.integers(-3, 6), st.integers(-30, 30)))
    limit = None if spare is None else max(0, kept + spare)
    usd = draw(st.one_of(st.none(), st.none(), st.floats(0, 1500)))
    projected = draw(st.one_of(st.none(), st.floats(-100, 10).map(lambda over: max(0.0, (usd or 0.0) + over))))
    return Turn(
        a_pool(limit, usd),
        tuple(members),
        draw(st.floats(0, 500)),
        projected,
        draw(st.one_of(st.just(0.0), st.floats(0, 24))),
    )


def gpus_of(ask: Ask, granted: Granted) -> int:
    """GPUs that a member's grant comes to; of a shadow member all that run."""
    grant = granted.grant
    held = ask.held_replicas + ask.held_prepared if ask.shadow else grant.replicas + grant.prepared_nodes
    return held * ask.gpus_per_replica


def kept_gpus(ask: Ask) -> int:
    """GPUs that no limit takes back but by an ended hold."""
    prepared = min(ask.held_prepared, ask.asked.prepared_nodes) if ask.settled else 0
    held = ask.held_replicas + ask.held_prepared if ask.shadow else ask.kept_replicas + prepared
    return held * ask.gpus_per_replica
