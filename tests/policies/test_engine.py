"""The phases of a decision: what a pool may refuse, and what it may not."""

from hypothesis import given
from hypothesis import strategies as st

from policies.codec import encode
from policies.demand import observe
from policies.engine import Proposal, propose, settle, step
from policies.explain import explain
from policies.model import Grant, Inputs, Policy, Rule, State
from tests.policies.test_properties import histories, lived, policies
from tests.support.worlds import Fleet, Moment, a_policy, a_supply, rates, waits

grants = st.builds(Grant, st.integers(0, 50), st.integers(0, 5))


def proposed(policy: Policy, state: State, inputs: Inputs) -> Proposal:
    return propose(policy, state, observe(policy, state, inputs), inputs)


@given(policies, histories, rates, waits)
def test_without_a_pool_a_step_is_its_three_phases(
    policy: Policy, history: list[Moment], rate: float, waiting: float
) -> None:
    state, _, fleet = lived(policy, history)
    inputs = fleet.tick(rate, waiting)
    proposal = proposed(policy, state, inputs)
    assert encode(settle(proposal, proposal.asked)) == encode(step(policy, state, inputs))


@given(policies, histories, rates, waits, grants)
def test_a_grant_refuses_growth_or_ends_a_hold_and_nothing_else(
    policy: Policy, history: list[Moment], rate: float, waiting: float, grant: Grant
) -> None:
    state, _, fleet = lived(policy, history)
    proposal = proposed(policy, state, fleet.tick(rate, waiting))
    result, asked = settle(proposal, grant), proposal.asked
    assert result.plan is not None
    assert asked is not None
    replicas, nodes = result.plan.desired_replicas, result.plan.prepared_nodes
    least = min(proposal.kept_replicas, proposal.needed_replicas)
    assert replicas == min(asked.replicas, max(grant.replicas, least))
    assert nodes == min(asked.prepared_nodes, grant.prepared_nodes)
    assert proposal.needed_replicas <= asked.replicas
    assert result.state.decided.replicas == replicas
    refused = [reasons[0].rule is Rule.GRANT for reasons in (result.plan.replica_reasons, result.plan.prepared_reasons)]
    assert refused == [replicas < asked.replicas, nodes < asked.prepared_nodes]


def test_a_refusal_names_what_was_asked_for() -> None:
    policy, fleet = a_policy(max_prepared_nodes=0), Fleet(pods=2)
    state = step(policy, State(), fleet.tick(2.0)).state
    proposal = proposed(policy, state, fleet.tick(20.0, 50.0, supply=a_supply(2)))
    asked = proposal.asked
    assert asked is not None
    plan = settle(proposal, Grant(3, 0)).plan
    assert plan is not None
    assert explain(plan).startswith(f"Runs 3 replicas: the pool grants 3 ({asked.replicas} were asked for: ")
