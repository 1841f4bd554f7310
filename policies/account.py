"""What a pool's GPUs were for and what they cost: a fold over its inputs, by workload, that a restart goes on with.

A tick counts for the time since the one before it. What is not known counts as what it was last known to be, never as nothing:
the limit on a day's money depends on it. The time of a standby node is open until it ends: it was used by the workloads whose
replicas run on the node next, and wasted if there are none within a minute. Its cost counts in the pool's total at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from policies.pool import Account, Ask, Granted, Offering, Pool, PoolInputs, StandbyPhase, StandbyUnit, Usage

LONGEST_GAP_SECONDS = 86_400.0  # between two ticks: after a longer one, the state's time is not believed
AHEAD_SECONDS = 300.0  # a state that is from further in the future is not believed either
HANDOVER_SECONDS = 60.0  # from the end of a standby pod until the replica that took its place is seen on the node
MOST_WORKLOADS = 500  # with a line of their own; of those that ask no longer, the cheapest are counted as one
OTHERS = ""  # the name of these
HOUR_SECONDS = 3600.0
ON_A_NODE = (StandbyPhase.STARTING, StandbyPhase.READY)


def accounted(pool: Pool, account: Account, inputs: PoolInputs) -> Account:
    """The account up to `inputs.now_seconds`."""
    now, at = inputs.now_seconds, account.at_seconds
    if at is not None and at > now + AHEAD_SECONDS:
        at = None
    elapsed = 0.0 if at is None else min(max(0.0, now - at), LONGEST_GAP_SECONDS)
    workloads = dict(account.workloads)
    for ask in inputs.asks:
        workloads[ask.workload] = added(workloads.get(ask.workload, Usage()), _of_replicas(ask, elapsed))
    spent = [_of_replicas(ask, elapsed) for ask in inputs.asks]
    held = dict(_of_standby(pool, account, inputs, elapsed))
    spent += [Usage(usd=usd) for _, usd in held.values()]
    spent.append(_of_idle(pool, inputs, elapsed))
    total = account.total
    for each in spent:
        total = added(total, each)
    usd = total.usd - account.total.usd
    after = replace(
        account,
        since_seconds=now if account.since_seconds is None else account.since_seconds,
        at_seconds=now if at is None else max(at, now),
        total=total,
        workloads=tuple(sorted(workloads.items())),
        open_standby=_opened(account, held),
        day=inputs.day.name,
        day_usd=_day_usd(account, inputs, at, usd, elapsed),
    )
    return _bounded(_closed(after, inputs), inputs.asks)


def projected_usd(account: Account, inputs: PoolInputs, usd_per_hour: float) -> float:
    """Dollars from the day's beginning to its end, if what is left of it costs `usd_per_hour`."""
    return account.day_usd + usd_per_hour * hours_left(inputs)


def hours_left(inputs: PoolInputs) -> float:
    """Hours until the day ends."""
    return max(0.0, inputs.day.end_seconds - inputs.now_seconds) / HOUR_SECONDS


def members_usd_per_hour(asks: Sequence[Ask], grants: Sequence[Granted] = ()) -> float:
    """What the members' GPUs cost, those that are decided and not there yet included; with grants, once these are carried out."""
    granted = {each.workload: each.grant for each in grants}
    total = 0.0
    for ask in asks:
        units, grant = ask.held_replicas + ask.held_prepared, granted.get(ask.workload)
        if grant is not None and not ask.shadow:
            units = grant.replicas + grant.prepared_nodes
        total += units * ask.gpus_per_replica * ask.price_per_gpu_hour
    return total


def node_usd_per_hour(offering: Offering) -> float:
    """What one node of an offering costs."""
    return offering.gpus_per_node * offering.price_per_gpu_hour


def added(one: Usage, other: Usage) -> Usage:
    """The sum of two usages."""
    return Usage(
        one.serving + other.serving,
        one.starting + other.starting,
        one.standby + other.standby,
        one.wasted + other.wasted,
        one.idle + other.idle,
        one.used + other.used,
        one.usd + other.usd,
    )


def on_node(unit: StandbyUnit) -> bool:
    """Whether a standby unit holds a node, which costs money."""
    return unit.node is not None or unit.phase in ON_A_NODE


def _of_replicas(ask: Ask, elapsed: float) -> Usage:
    serving, starting = ask.serving_gpus, ask.starting_gpus + ask.held_prepared * ask.gpus_per_replica
    usd = (serving + starting) * ask.price_per_gpu_hour * elapsed / HOUR_SECONDS
    used = min(max(0.0, ask.used_gpus), serving) * elapsed
    return Usage(serving=serving * elapsed, starting=starting * elapsed, used=used, usd=usd)


def _of_standby(
    pool: Pool, account: Account, inputs: PoolInputs, elapsed: float
) -> Iterator[tuple[str, tuple[float, float]]]:
    """(node, (GPU-seconds, dollars)) of each that is held. While that is unknown, those that were go on."""
    if inputs.standby is None:
        ended = dict(account.ended_standby)
        for node, _, _ in account.open_standby:
            if node not in ended:
                yield node, _of_node(pool, None, elapsed)
        return
    for unit in inputs.standby:
        if on_node(unit):
            age = max(0.0, inputs.now_seconds - unit.requested_seconds)
            yield unit.node or unit.name, _of_node(pool, unit.offering, min(elapsed, age))


def _of_node(pool: Pool, offering: str | None, seconds: float) -> tuple[float, float]:
    """GPU-seconds and dollars of one node; of an unknown offering, of the dearest that there is."""
    found = [each for each in pool.offerings if each.name == offering] or list(pool.offerings)
    if not found:
        return 0.0, 0.0
    of = max(found, key=node_usd_per_hour)
    return of.gpus_per_node * seconds, node_usd_per_hour(of) * seconds / HOUR_SECONDS


def _of_idle(pool: Pool, inputs: PoolInputs, elapsed: float) -> Usage:
    """The GPUs of nodes that exist and that nobody holds, at the mean price of the nodes."""
    nodes = {each.name: each.nodes for each in inputs.offerings}
    gpus = sum([nodes.get(each.name, 0) * each.gpus_per_node for each in pool.offerings])
    if gpus <= 0 or inputs.standby is None:
        return Usage()
    price = sum([nodes.get(each.name, 0) * node_usd_per_hour(each) for each in pool.offerings]) / gpus
    sizes = {each.name: each.gpus_per_node for each in pool.offerings}
    held = inputs.other_gpus
    for ask in inputs.asks:
        held += ask.serving_gpus + ask.starting_gpus + ask.held_prepared * ask.gpus_per_replica
    held += sum([sizes.get(unit.offering, 0) for unit in inputs.standby if on_node(unit)])
    idle = max(0, gpus - held) * elapsed
    return Usage(idle=idle, usd=idle * price / HOUR_SECONDS)


def _opened(account: Account, held: Mapping[str, tuple[float, float]]) -> tuple[tuple[str, float, float], ...]:
    found = {node: (seconds, usd) for node, seconds, usd in account.open_standby}
    for node, (seconds, usd) in held.items():
        before = found.get(node, (0.0, 0.0))
        found[node] = (before[0] + seconds, before[1] + usd)
    return tuple([(node, *of) for node, of in sorted(found.items())])


def _closed(account: Account, inputs: PoolInputs) -> Account:
    """The account without the standby that has ended: shared by the workloads that took the node, or wasted."""
    if inputs.standby is None:
        return account
    held = {unit.node or unit.name for unit in inputs.standby if on_node(unit)}
    takers: dict[str, set[str]] = {}
    for node, workload in inputs.replicas_on:
        takers.setdefault(node, set()).add(workload)
    since = dict(account.ended_standby)
    total, workloads, left, ended = account.total, dict(account.workloads), [], []
    for node, seconds, usd in account.open_standby:
        by = sorted(takers.get(node, ()))
        at = since.get(node, inputs.now_seconds)
        if node in held:
            left.append((node, seconds, usd))
        elif by:
            total = added(total, Usage(standby=seconds))
            for name in by:
                share = Usage(standby=seconds / len(by), usd=usd / len(by))
                workloads[name] = added(workloads.get(name, Usage()), share)
        elif inputs.now_seconds - at < HANDOVER_SECONDS:
            left.append((node, seconds, usd))
            ended.append((node, at))
        else:
            total = added(total, Usage(wasted=seconds))
    return replace(
        account,
        total=total,
        workloads=tuple(sorted(workloads.items())),
        open_standby=tuple(left),
        ended_standby=tuple(ended),
    )


def _day_usd(account: Account, inputs: PoolInputs, at: float | None, usd: float, elapsed: float) -> float:
    """Dollars since the day began, which it did if the last tick was before its start.

    Its name does not matter: another time zone changes that in the middle of a day, and then what was spent is no less.
    """
    start = inputs.day.start_seconds
    goes_on = account.day in ("", inputs.day.name) if at is None else at >= start
    share = 1.0 if not elapsed else min(1.0, max(0.0, inputs.now_seconds - start) / elapsed)
    return (account.day_usd if goes_on else 0.0) + usd * share


def _bounded(account: Account, asks: Sequence[Ask]) -> Account:
    if len(account.workloads) <= MOST_WORKLOADS:
        return account
    asking = {ask.workload for ask in asks}
    gone = [each for each in account.workloads if each[0] not in asking]
    gone.sort(key=lambda each: (each[0] != OTHERS, each[1].usd))
    merged = gone[: len(account.workloads) - MOST_WORKLOADS + 1]
    names = {name for name, _ in merged}
    rest = Usage()
    for _, usage in merged:
        rest = added(rest, usage)
    kept = [each for each in account.workloads if each[0] not in names]
    return replace(account, workloads=tuple(sorted([*kept, (OTHERS, rest)])) if merged else account.workloads)
