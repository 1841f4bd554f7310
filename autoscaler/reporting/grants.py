"""What a policy's status says of its pool: the condition Granted."""

from autoscaler.reporting.readings import Condition
from autoscaler.reporting.report import PolicyReport
from policies.pool import Limit
from policies.pool_text import refusal_sentence

GRANTED = "Granted"


def granted(report: PolicyReport) -> Condition | None:
    """The condition of one moment; None without a pool."""
    pool, found = report.workload.pool, report.granted
    if not pool:
        return None
    if report.pool_problem:
        problem = report.pool_problem.removesuffix(".")
        sentence = f"The workload keeps what it has and does not grow, since pool {pool} cannot be used: {problem}."
        return Condition(GRANTED, "False", Limit.NO_POOL.value, sentence)
    if found is None:
        return Condition(GRANTED, "Unknown", "NotYet", f"Pool {pool} has not decided since the controller started.")
    if found.refusal is not None:
        sentence, limit = f"{_capital(refusal_sentence(pool, found))}.", found.refusal.limit
        if report.pool_contact and limit is not Limit.SHADOW:
            sentence = f"{sentence} To have more, ask {report.pool_contact}."
        return Condition(GRANTED, "False", limit.value, sentence)
    if found.ended_hold_for:
        sentence = f"Pool {pool} grants what demand needs; a hold was ended for {found.ended_hold_for}."
        return Condition(GRANTED, "True", "HoldEnded", sentence)
    return Condition(GRANTED, "True", "AsAsked", f"Pool {pool} grants what was asked for.")


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
