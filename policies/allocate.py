"""Divides what a pool has among the workloads that ask for it. Without a pool, each gets what it asks for."""

from collections.abc import Mapping

from policies.engine import Proposal
from policies.model import Grant


def allocate(proposals: Mapping[str, Proposal]) -> dict[str, Grant | None]:
    """Grants by workload; None where a proposal asks for nothing yet."""
    return {name: proposal.asked for name, proposal in proposals.items()}
