"""What a policy's status says of a history that is not whole."""

from autoscaler.sources.history import ReadBack
from autoscaler.sources.past import history_problem


def test_few_warnings_of_prometheus_are_shown() -> None:
    """They stand in a condition's message, and a store that is away warns in every answer."""
    warnings = tuple(f"store {number} is away: {'x' * 10_000}" for number in range(100))
    problem = history_problem(ReadBack((), warnings), 0)
    assert problem.startswith("Prometheus warned that its answer may be incomplete: store 0 is away: ")
    assert len(problem) < 700
