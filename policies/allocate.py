"""What each workload is granted of what all of them ask for. Without a pool, everything that it asks for."""

from collections.abc import Mapping

from policies.engine import Proposal
from policies.model import Grant


def allocate(proposals: Mapping[str, Proposal]) -> dict[str, Grant | None]:
    """Grants by workload; None where a proposal asks for nothing yet."""
    return {name: proposal.asked for name, proposal in proposals.items()}
