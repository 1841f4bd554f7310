"""What a member asks for, from real proposals; what it is granted, settled and made again from its log."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from policies.allocate import allocate
from policies.ask import ask
from policies.demand import observe
from policies.engine import Proposal, propose, settle, step
from policies.log import Redecided, decision_line, header_line, redecide, state_line
from policies.model import Grant, Inputs, Mode, Plan, Policy, Rule, State
from policies.pool import Ask
from tests.policies.test_properties import histories, lived, policies
from tests.support.pools import a_pool, a_seat
from tests.support.worlds import Fleet, Moment, a_policy, a_supply, an_input

SEAT = a_seat()
limits = st.integers(0, 60)


def proposed(policy: Policy, state: State, inputs: Inputs) -> Proposal:
    return propose(policy, state, observe(policy, state, inputs), inputs)


def asked(proposal: Proposal, settled: Plan | None = None, priority: int = 0) -> Ask:
    found = ask(proposal, a_seat(f"priority-{priority}", priority=priority), settled=settled)
    assert found is not None
    return found


def busy(pods: int = 4, per_second: float = 8.0, ticks: int = 8, **changes: object) -> tuple[Policy, State, Fleet]:
    """A fleet under load, and its state."""
    policy, fleet, state = a_policy(**changes), Fleet(pods), State()
    for _ in range(ticks):
        state = step(policy, state, fleet.tick(per_second)).state
    return policy, state, fleet


def test_an_ask_counts_in_gpus() -> None:
    policy, state, fleet = busy(gpus_per_replica=2)
    supply = a_supply(3, starting=1, unplaced=1, prepared=1, spec_replicas=4)
    proposal = proposed(policy, state, fleet.tick(8.0, supply=supply))
    found = asked(proposal)
    assert (found.serving_gpus, found.starting_gpus, found.unplaced_gpus) == (6, 2, 2)
    assert found.held_replicas == max(5, state.decided.replicas or 0)
    assert found.level_gpus is not None
    assert proposal.seen.filters.level is not None
    assert found.level_gpus == proposal.seen.filters.level * 2
    assert 0.0 < found.used_gpus <= found.serving_gpus
    assert found.price_per_gpu_hour == policy.price_per_gpu_hour
    assert ask(proposal, SEAT, price_per_gpu_hour=3.5) == replace(found, seat=SEAT, price_per_gpu_hour=3.5)


def test_before_anything_is_known_nothing_is_asked() -> None:
    policy, fleet = a_policy(), Fleet()
    assert ask(proposed(policy, State(), fleet.tick(1.0, supply=None)), SEAT) is None


def test_with_unknown_supply_what_was_decided_is_kept_and_runs() -> None:
    policy, state, fleet = busy()
    found = asked(proposed(policy, state, fleet.tick(0.0, supply=None)))
    assert found.kept_replicas == found.held_replicas == found.needed_replicas == state.decided.replicas
    assert found.serving_gpus == found.held_replicas


def test_with_unknown_supply_more_is_kept_where_the_scale_asks_for_more() -> None:
    policy, state, fleet = busy(per_second=2.0)
    decided = state.decided.replicas
    assert decided is not None
    proposal = proposed(policy, state, fleet.tick(40.0, 50.0, supply=None))
    assert proposal.asked is not None
    spec = decided + 1
    assert proposal.asked.replicas >= spec
    found = ask(proposal, SEAT, spec_replicas=spec)
    assert found is not None
    assert found.kept_replicas == found.held_replicas == spec <= found.needed_replicas
    fewer = ask(proposal, SEAT, spec_replicas=decided - 1)
    assert fewer is not None
    assert fewer.kept_replicas == fewer.held_replicas == decided


def test_of_a_shadow_member_with_unknown_supply_its_scale_counts_and_no_decision() -> None:
    policy, state, fleet = busy(mode=Mode.SHADOW)
    decided = state.decided.replicas
    assert decided is not None
    for spec in (decided + 5, decided - 1):
        found = ask(proposed(policy, state, fleet.tick(8.0, supply=None)), SEAT, spec_replicas=spec)
        assert found is not None
        assert found.held_replicas == found.serving_gpus == spec
        assert found.kept_replicas == min(found.asked.replicas, spec)


def test_demand_beyond_the_most_replicas_of_a_policy_is_not_the_pools() -> None:
    policy, state, fleet = busy(max_replicas=4)
    proposal = proposed(policy, state, fleet.tick(8.0))
    filters = replace(proposal.seen.filters, level=50.0)
    found = asked(replace(proposal, seen=replace(proposal.seen, filters=filters)))
    assert found.level_gpus == max(4, found.held_replicas)


def test_a_level_that_is_not_finite_is_unknown() -> None:
    policy, state, fleet = busy()
    proposal = proposed(policy, state, fleet.tick(8.0))
    filters = replace(proposal.seen.filters, level=float("nan"))
    assert asked(replace(proposal, seen=replace(proposal.seen, filters=filters))).level_gpus is None


def test_of_a_shadow_member_what_runs_is_kept() -> None:
    policy, state, fleet = busy(mode=Mode.SHADOW)
    found = asked(proposed(policy, state, fleet.tick(40.0, 50.0, supply=a_supply(2))))
    assert found.shadow
    assert found.asked.replicas > 2
    assert found.kept_replicas == found.needed_replicas == found.held_replicas == 2


def test_a_member_that_does_not_ask_has_what_it_settled() -> None:
    policy, state, fleet = busy(per_second=2.0)
    proposal = proposed(policy, state, fleet.tick(40.0, 50.0))
    before = asked(proposal)
    plan = settle(proposal, Grant(before.kept_replicas + 1, 1)).plan
    assert plan is not None
    found = asked(proposal, settled=plan)
    assert found.settled
    assert found.kept_replicas == found.needed_replicas == before.kept_replicas + 1
    assert (found.asked, found.held_prepared) == (before.asked, plan.prepared_nodes)


def test_without_demand_only_the_hold_is_asked_for_and_the_scale_down_limit_needed() -> None:
    policy, state, fleet = busy(pods=8, per_second=30.0, scale_down_percent_per_minute=25.0, hold_seconds=3600.0)
    state = step(policy, state, fleet.tick(30.0, 20.0)).state
    for _ in range(40):
        state = step(policy, state, fleet.tick(0.0)).state
    proposal = proposed(policy, state, fleet.tick(0.0))
    held = state.decided.replicas
    assert held is not None
    assert proposal.asked is not None
    assert proposal.asked.replicas == proposal.kept_replicas == held
    assert proposal.needed_replicas == held - max(1, held // 4)


def test_an_ended_hold_does_not_ask_again() -> None:
    policy, state, fleet = busy(pods=8, per_second=30.0, scale_down_percent_per_minute=50.0, hold_seconds=3600.0)
    for _ in range(40):
        state = step(policy, state, fleet.tick(0.0)).state
    batch = proposed(policy, state, fleet.tick(0.0))
    held = batch.kept_replicas
    first = replace(
        asked(batch, priority=1), workload="team/first", asked=Grant(4, 0), kept_replicas=0, held_replicas=0
    )
    grants = allocate(a_pool(held), [asked(batch), first], spent_usd=0.0, projected_usd=None)
    mine = next(each for each in grants if each.workload == policy.name)
    assert mine.ended_hold_for == "team/first"
    result = settle(batch, mine.grant)
    assert result.plan is not None
    assert result.plan.desired_replicas == mine.grant.replicas == max(held - 4, batch.needed_replicas)
    assert result.plan.replica_reasons[0].rule is Rule.GRANT
    assert "its hold was ended for team/first" in result.plan.replica_reasons[0].note
    again = proposed(policy, result.state, fleet.tick(0.0))  # the cluster still runs as many as before
    assert again.asked is not None
    assert again.asked.replicas <= mine.grant.replicas
    assert again.kept_replicas <= mine.grant.replicas


def test_what_was_refused_is_not_held() -> None:
    policy, state, fleet = busy(pods=4, hold_seconds=3600.0)
    running = state.decided.replicas
    assert running is not None
    proposal = proposed(policy, state, fleet.tick(60.0, 50.0))
    state = settle(proposal, Grant(running, 0)).state
    for _ in range(40):
        proposal = proposed(policy, state, fleet.tick(1.0))
        state = settle(proposal, Grant(running, 0)).state
    assert proposal.asked is not None
    assert proposal.asked.replicas <= running


@given(policies, st.lists(histories, min_size=2, max_size=3), limits, st.data())
def test_grants_are_settled_as_they_are_and_made_again_from_the_log(
    policy: Policy, past: list[list[Moment]], limit: int, data: st.DataObject
) -> None:
    """Members whose proposals are real keep to the pool's limit, on ticks and between them."""
    names = [f"team/{at}" for at in range(len(past))]
    members = {name: replace(policy, name=name) for name in names}
    lives = {name: lived(members[name], history) for name, history in zip(names, past, strict=True)}
    states, fleets = {name: life[0] for name, life in lives.items()}, {name: life[2] for name, life in lives.items()}
    lines = [header_line("test"), *[state_line(members[name], states[name]) for name in names]]
    last: dict[str, Proposal] = {}
    plans: dict[str, Plan] = {}
    for _ in range(3):
        on_grid = not last or data.draw(st.booleans())
        asking = names if on_grid else [data.draw(st.sampled_from(names))]
        moment = data.draw(st.tuples(st.floats(0, 40), st.floats(0, 60), *[st.booleans()] * 3, st.integers(0, 30)))
        for name in asking:
            inputs = replace(an_input(fleets[name], moment), on_grid=on_grid)
            last[name] = proposed(members[name], states[name], inputs)
        asks = [
            found
            for at, name in enumerate(names)
            if (
                found := ask(
                    last[name], a_seat(f"p{at}", priority=at), settled=None if name in asking else plans.get(name)
                )
            )
        ]
        grants = allocate(a_pool(limit), asks, spent_usd=0.0, projected_usd=None)
        kept = sum(each.kept_replicas + (each.held_prepared if each.settled else 0) for each in asks)
        assert sum(each.grant.replicas + each.grant.prepared_nodes for each in grants) <= max(limit, kept)
        for each in grants:
            if each.workload not in asking:
                continue
            proposal = last[each.workload]
            result = settle(proposal, each.grant)
            assert result.plan is not None
            assert Grant(result.plan.desired_replicas, result.plan.prepared_nodes, each.grant.note) == each.grant
            lines.append(decision_line(members[each.workload], proposal.inputs, result))
            states[each.workload], plans[each.workload] = result.state, result.plan
    again = list(redecide(line + "\n" for line in lines))
    assert all(item.matches for item in again)
    decided = [item for item in again if isinstance(item, Redecided)]
    assert {item.logged.policy.name: item.again.state for item in decided} == {
        name: state for name, state in states.items() if name in plans
    }
