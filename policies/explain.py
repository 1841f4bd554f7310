"""One record, one sentence. Status, Event, log line and `outrider explain` all say it with these words."""

from collections.abc import Mapping

from policies.model import Plan, Reason, Rule

PHRASES: Mapping[Rule, str] = {
    Rule.MINIMUM: "the policy's minimum is {replicas:g}",
    Rule.MAXIMUM: "the policy's maximum is {replicas:g} ({asked:g} were asked for)",
    Rule.REACTIVE: "{waiting_requests:g} requests wait ({queue_seconds:.1f} s of work each replica) and the last 30 s brought"
    " {recent:.1f} replicas of demand",
    Rule.VOLATILITY: "a demand of {level:.1f} replicas may grow to {replicas:.1f} within the lead of {lead_seconds:.0f} s",
    Rule.FORECAST: "the forecast ({note}) stays under {replicas:.1f} for {lead_seconds:.0f} s with {probability:.1%}",
    Rule.LEAD: "of the units for the lead from nothing ({lead_seconds:.0f} s) {replicas:.1f} have to serve, since no more"
    " may be prepared",
    Rule.SCHEDULED: "the window {note} holds {replicas:g} (it starts in {starts_in_seconds:.0f} s)",
    Rule.UNKNOWN: "nothing is known of the pods, which lowers nothing",
    Rule.PARTIAL: "only {coverage:.0%} of the pods could be read, which lowers nothing",
    Rule.BETWEEN_TICKS: "between two ticks nothing falls",
    Rule.RESTARTED: "after a restart nothing falls for another {left_seconds:.0f} s",
    Rule.HOLD: "{replicas:g} were needed within the last {hold_seconds:.0f} s, as long as getting one back takes",
    Rule.RELEASE_LIMIT: "at most {percent_per_minute:g} % may go in a minute",
    Rule.GROWTH_LIMIT: "at most {replicas_per_minute:g} may come in a minute",
    Rule.PREPARED: "{units:.1f} units in all are enough for the long lead",
    Rule.PREPARED_LIMIT: "the policy allows {replicas:g} ({asked:g} were asked for)",
    Rule.PREPARED_HOLD: "{replicas:g} were needed within the last {hold_seconds:.0f} s",
    Rule.HANDOVER: "{replicas:g} wait for the replicas that will take their places",
}


def explain(plan: Plan, before: Plan | None = None) -> str:
    """Why the plan is what it is: the rule that set each number, and what it overruled."""
    verb, was = _change(plan.desired_replicas, None if before is None else before.desired_replicas)
    text = f"{verb} {_count(plan.desired_replicas, 'replica')}{was}: {reasons(plan.replica_reasons)}"
    if plan.prepared_nodes or (before is not None and before.prepared_nodes):
        text += f"; {_count(plan.prepared_nodes, 'prepared node')}: {reasons(plan.prepared_reasons)}"
    return text + "."


def reasons(words: tuple[Reason, ...]) -> str:
    """The first reason, and the one that it overruled, or that it rests on."""
    first, *others = words
    if first.rule is Rule.PREPARED and others:
        return f"{phrase(first)}, since {phrase(others[0])}"
    overruled = [word for word in others if word.replicas != first.replicas][:1]
    return phrase(first) + "".join(f" (otherwise {phrase(word)})" for word in overruled)


def phrase(word: Reason) -> str:
    """One reason in words."""
    return PHRASES[word.rule].format(replicas=word.replicas, note=word.note, **dict(word.numbers))


def _change(now: int, before: int | None) -> tuple[str, str]:
    if before is None or before == now:
        return "Keeps" if before is not None else "Runs", ""
    return ("Grows to" if now > before else "Shrinks to"), f" (from {before})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
