"""The working state of one allocation: what each member has so far, and which limit stands against one unit more."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from policies.pool import Ask, Limit, Limits, Seat

MOST_HOLDERS = 5  # that a refusal names; the others are counted together
NO_SEAT = Seat(member="", owner="", priority=0, weight=1.0, guaranteed_gpus=0, max_gpus=None)

POOL_WIDE = frozenset({Limit.POOL_GPUS, Limit.MONEY, Limit.GUARANTEES})  # what one lacks, those after it do not get


@dataclass(slots=True)
class Rule:
    """What the workloads of one member rule have together."""

    seat: Seat
    gpus: int = 0
    unheeded_gpus: int = 0  # beside them

    @property
    def share(self) -> float:
        """GPUs for each unit of weight."""
        return self.gpus / self.seat.weight

    @property
    def unused_gpus(self) -> int:
        """What is guaranteed to it beyond what it has."""
        return max(0, self.seat.guaranteed_gpus - self.gpus)


@dataclass(slots=True)
class Share:
    """What one member has so far, in replicas and prepared nodes."""

    ask: Ask
    rule: Rule
    replicas: int
    prepared: int = 0
    refused_by: Limit | None = None
    ended_for: str = ""  # the workload for which a hold was ended

    @property
    def gpus(self) -> int:
        """GPUs that it has. Of a shadow member all that run, since no decision removes them."""
        if self.ask.shadow:
            return (self.ask.held_replicas + self.ask.held_prepared) * self.ask.gpus_per_replica
        return (self.replicas + self.prepared) * self.ask.gpus_per_replica

    @property
    def unheeded_gpus(self) -> int:
        """GPUs beside them that no decision frees, since nobody carries its decisions out."""
        return 0 if self.ask.shadow else self.ask.unheeded_replicas * self.ask.gpus_per_replica

    @property
    def least(self) -> int:
        """Replicas that nothing takes back: present demand, and all of a member that does not ask now."""
        kept = min(self.ask.kept_replicas, self.ask.asked.replicas)
        return kept if self.ask.settled or self.ask.shadow else min(kept, self.ask.needed_replicas)

    def lacks(self, *, prepared: bool) -> bool:
        """Whether it asks for more prepared nodes, or replicas, and no limit stands against them so far."""
        asked = self.ask.asked.prepared_nodes if prepared else self.ask.asked.replicas
        return self.refused_by is None and (self.prepared if prepared else self.replicas) < asked

    @property
    def rank(self) -> tuple[float, float, str, int, str]:
        """Who is next, lowest first: by priority, then by what its rule has for its weight, then by what it has itself."""
        return -self.priority, self.rule.share, self.rule.seat.member, self.gpus, self.ask.workload

    @property
    def priority(self) -> float:
        """Of its seat. Who has none comes last."""
        return float("-inf") if self.ask.seat is None else float(self.ask.seat.priority)


@dataclass(slots=True)
class Division:
    """All shares of a pool, and what is left of its limits."""

    limits: Limits
    shares: list[Share]  # by workload
    room_usd: float  # until the day's limit, by the projection
    hours_left: float
    rules: dict[str, Rule] = field(default_factory=dict)
    gpus: int = 0  # of all shares
    unheeded_gpus: int = 0  # beside them: they leave no room for growth, and end no hold
    named: dict[tuple[Limit, str], tuple[tuple[str, str, int], ...]] = field(
        default_factory=dict
    )  # holders, once all is given

    @property
    def room_gpus(self) -> float:
        """What is left of the limit in GPUs; negative where more than that is kept."""
        return float("inf") if self.limits.gpus is None else self.limits.gpus - self.gpus

    def reserved_gpus(self, rule: Rule) -> int:
        """What is guaranteed to all other rules, beyond what they have."""
        return sum([other.unused_gpus for other in self.rules.values() if other is not rule])

    def never_fits(self, share: Share) -> bool:
        """Whether one unit of it is more than its rule's limit, or than the pool's without what is guaranteed to others."""
        most, limit, gpus = share.rule.seat.max_gpus, self.limits.gpus, share.ask.gpus_per_replica
        if most is not None and gpus > most:
            return True
        others = [rule.seat.guaranteed_gpus for rule in self.rules.values() if rule is not share.rule]
        return limit is not None and gpus > limit - sum(others)

    def add(self, share: Share, replicas: int = 0, prepared: int = 0) -> None:
        """Give a member so many more, or fewer. Prepared nodes that exist are in the projection already."""
        gpus = (replicas + prepared) * share.ask.gpus_per_replica
        new_before = max(0, share.prepared - share.ask.held_prepared)
        share.replicas += replicas
        share.prepared += prepared
        share.rule.gpus += gpus
        self.gpus += gpus
        new = max(0, share.prepared - share.ask.held_prepared) - new_before
        self.room_usd -= self.cost_usd(share, replicas + new)

    def cost_usd(self, share: Share, units: int) -> float:
        """What so many units cost until the day's end."""
        return units * share.ask.gpus_per_replica * share.ask.price_per_gpu_hour * self.hours_left

    def against(self, share: Share, *, prepared: bool = False) -> Limit | None:
        """What stands against one unit more; None if it fits."""
        most, gpus = share.rule.seat.max_gpus, share.ask.gpus_per_replica
        if most is not None and share.rule.gpus + share.rule.unheeded_gpus + gpus > most:
            return Limit.MEMBER_GPUS
        return self._against_all(share, gpus, is_new=not prepared or share.prepared >= share.ask.held_prepared)

    def _against_all(self, share: Share, gpus: int, *, is_new: bool) -> Limit | None:
        """Which limit of the whole pool stands against so many GPUs more."""
        room = self.room_gpus - self.unheeded_gpus
        if gpus > room:
            return Limit.POOL_GPUS
        if gpus > room - self.reserved_gpus(share.rule):
            return Limit.GUARANTEES
        if is_new and not (
            self.room_usd > 0.0 and self.cost_usd(share, 1) <= self.room_usd
        ):  # also where it is no number
            return Limit.MONEY
        return None

    def holders(self, share: Share, limit: Limit) -> tuple[tuple[str, str, int], ...]:
        """Who holds what the limit is on, as `Refusal.holders` has it. To be asked once all is given."""
        of = limit, "" if limit in (Limit.POOL_GPUS, Limit.MONEY) else share.rule.seat.member
        if of not in self.named:
            self.named[of] = self._holders(share, limit)
        return self.named[of]

    def _holders(self, share: Share, limit: Limit) -> tuple[tuple[str, str, int], ...]:
        if limit is Limit.GUARANTEES:
            others = [rule for rule in self.rules.values() if rule is not share.rule and rule.unused_gpus]
            return _most([(rule.seat.member, rule.seat.owner, rule.unused_gpus) for rule in others])
        if limit not in (Limit.POOL_GPUS, Limit.MONEY, Limit.MEMBER_GPUS):
            return ()
        of = [each for each in self.shares if limit is not Limit.MEMBER_GPUS or each.rule is share.rule]
        held = [(each.ask.workload, each.rule.seat.owner, each.gpus + each.unheeded_gpus) for each in of]
        return _most([each for each in held if each[2]])

    def limit_value(self, share: Share, limit: Limit) -> float:
        """The limit's number, as `Refusal.limit_value` has it."""
        if limit is Limit.GUARANTEES:
            return float(self.reserved_gpus(share.rule))
        values = {
            Limit.POOL_GPUS: self.limits.gpus,
            Limit.MONEY: self.limits.usd_per_day,
            Limit.MEMBER_GPUS: share.rule.seat.max_gpus,
        }
        return float(values.get(limit) or 0.0)


def division(limits: Limits, asks: Sequence[Ask], room_usd: float, hours_left: float) -> Division:
    """Every member with what it keeps. A member that does not ask now keeps its prepared nodes as well."""
    found = Division(limits, [], room_usd, hours_left)
    for ask in sorted(asks, key=lambda each: each.workload):
        seat = ask.seat or NO_SEAT
        rule = Rule(seat) if ask.seat is None else found.rules.setdefault(seat.member, Rule(seat))
        prepared = min(ask.held_prepared, ask.asked.prepared_nodes) if ask.settled or ask.shadow else 0
        share = Share(ask, rule, min(ask.kept_replicas, ask.asked.replicas), prepared)
        if ask.shadow or ask.seat is None:
            share.refused_by = Limit.SHADOW if ask.shadow else Limit.NO_MEMBER
        rule.gpus += share.gpus
        found.gpus += share.gpus
        rule.unheeded_gpus += share.unheeded_gpus
        found.unheeded_gpus += share.unheeded_gpus
        found.shares.append(share)
    return found


def _most(holders: list[tuple[str, str, int]]) -> tuple[tuple[str, str, int], ...]:
    holders.sort(key=lambda each: (-each[2], each[0]))
    others = sum([gpus for _, _, gpus in holders[MOST_HOLDERS:]])
    return (*holders[:MOST_HOLDERS], *([("", "", others)] if others else []))
