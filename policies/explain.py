"""Renders every sentence about a decision from its record, for the status, Events, log lines and `outrider explain`."""

import math
from collections.abc import Mapping

from policies.combine import whole
from policies.model import Fan, Mode, Plan, Reason, Rule, Verdict

PHRASES: Mapping[Rule, str] = {
    Rule.MINIMUM: "minReplicas is {replicas:g}",
    Rule.MAXIMUM: "maxReplicas is {replicas:g}",
    Rule.REACTIVE: "{pressure}",
    Rule.VOLATILITY: "demand of {level:.1f} replicas may reach {replicas:.1f} before a new replica is up ({lead}{learned})",
    Rule.SMALL_FLEET: "for demand of {level:.1f} replicas, one more would cost more than the late requests that it saves",
    Rule.FORECAST: "the {note} forecast expects demand of {median:.1f} replicas, which may reach {replicas:.1f},"
    " over the next {lead}",
    Rule.LEAD: "maxPreparedNodes allows no further prepared nodes, so {replicas:.1f} replicas must run to cover the {lead}"
    " that a new replica takes without a prepared node",
    Rule.SCHEDULED: "schedule {note} requires {replicas:g} ({opens})",
    Rule.UNKNOWN: "the pods' metrics or the cluster's state are not known{why}, so nothing is scaled down",
    Rule.PARTIAL: "the metrics of only {read} of the pods count{why}, so nothing is scaled down",
    Rule.BETWEEN_TICKS: "nothing is scaled down between two decision ticks",
    Rule.RESTARTED: "nothing is scaled down for another {left} after a restart",
    Rule.HOLD: "{replicas:g} were needed less than {hold} ago, and capacity is held that long",
    Rule.SCALE_DOWN_LIMIT: "at most {percent_per_minute:g}% of the replicas, or one, may be removed per minute"
    " (scaleDown.maxPercentPerMinute)",
    Rule.SCALE_UP_LIMIT: "at most {replicas_per_minute:g} may be added per minute (scaleUp.maxReplicasPerMinute)",
    Rule.PREPARED: "{units:.1f} replicas and prepared nodes together cover the {lead} that a new replica takes without"
    " a prepared node",
    Rule.PREPARED_LIMIT: "at most {replicas:g} may be prepared",
    Rule.PREPARED_HOLD: "the need was {replicas:g} less than {hold} ago, and prepared nodes are held that long",
    Rule.HANDOVER: "kept for {count} still without a node",
    Rule.GRANT: "the pool grants {replicas:g}{limit}",
}

VERDICTS: Mapping[Verdict, str] = {
    Verdict.COUNTED: "its metrics count",
    Verdict.STARTING: "it is starting",
    Verdict.FIRST: "it has been read only once",
    Verdict.ASLEEP: "its engine is asleep",
    Verdict.UNREAD: "its metrics cannot be read",
    Verdict.STALE: "its metrics are too old",
    Verdict.INCOMPLETE: "a metric that it needs is missing",
    Verdict.IMPOSSIBLE: "its numbers are beyond what an engine can do, or contradict each other",
    Verdict.RESET: "its counters have begun again",
    Verdict.UNCHANGED: "it is busy, yet nothing has changed since its last reading",
    Verdict.STUCK: "its queue has not moved for minutes, so it is not counted as load",
}


def explain(plan: Plan, before: Plan | None = None) -> str:
    """Why the plan is what it is: for each number, the rule that decided it and what it overruled.

    In mode Shadow it says what would be done, beside the replicas that run.
    """
    is_shadow = plan.mode is Mode.SHADOW
    text = f"{_would(plan) if is_shadow else _change(plan, before)}: {reasons(plan.replica_reasons)}"
    if plan.prepared_nodes or (before is not None and before.prepared_nodes):
        held = f"{'would hold ' if is_shadow else ''}{_count(plan.prepared_nodes, 'prepared node')}"
        text += f"; {held}: {reasons(plan.prepared_reasons)}"
    return text + "."


def reasons(found: tuple[Reason, ...]) -> str:
    """The first reason, with the next one that gives another number, or that it is based on."""
    first, *others = found
    unknown = next((reason for reason in others if reason.rule in (Rule.UNKNOWN, Rule.PARTIAL)), None)
    if unknown is not None and unknown is found[-1]:
        return f"{reasons(found[:-1])}; {phrase(unknown)}"
    if first.rule is Rule.PREPARED and others:
        return f"{phrase(first)}, since {phrase(others[0])}"
    count = whole(first.replicas)
    other = next((reason for reason in others if whole(reason.replicas) != count), None)
    if other is None:
        return phrase(first)
    is_limit = whole(other.replicas) > count
    beside = f"{whole(other.replicas)} were asked for" if is_limit else f"next highest is {whole(other.replicas)}"
    return f"{phrase(first)} ({beside}: {phrase(other)})"


def forecast(fan: Fan) -> str:
    """Whether a forecast is used, and why."""
    return f"The {fan.model} forecast is {'' if fan.proven else 'not '}used{': ' if fan.note else ''}{fan.note}."


def phrase(reason: Reason) -> str:
    """One reason as a clause."""
    durations = {
        name.removesuffix("_seconds"): duration(value) for name, value in reason.numbers if name.endswith("_seconds")
    }
    numbers = dict(reason.numbers)
    opens = f"opens in {durations['starts_in']}" if numbers.get("starts_in_seconds") else "open now"
    read = f"{math.floor(100.0 * numbers.get('coverage', 0.0))}%"  # not all of them, so never 100%
    values = {
        **durations,
        **numbers,
        "why": _unread(reason),
        "limit": f", since {reason.note}" if reason.note else "",
        "count": _count(whole(reason.replicas), "replica"),
        "opens": opens,
        "read": read,
        "learned": _learned(numbers.get("headroom_factor", 1.0)),
    }
    if reason.rule is Rule.REACTIVE:
        values["pressure"] = _pressure(**numbers)
    return PHRASES[reason.rule].format(replicas=reason.replicas, note=reason.note, **values)


def duration(seconds: float) -> str:
    """Seconds for people to read: 4 min 10 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{value} {unit}" for value, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if value]
    return " ".join(parts) or "0 s"


def _learned(factor: float) -> str:
    """What late requests changed about the headroom, from 5 % on."""
    share = round(100.0 * (factor - 1.0))
    if abs(share) < 5:
        return ""
    amount, lately = ("less", "few") if share < 0 else ("more", "many")
    return f", with {abs(share)}% {amount} headroom than usual, since {lately} requests were late"


def _unread(reason: Reason) -> str:
    """Which pod does not count, and why; how many more there are."""
    verdicts = [(Verdict(name), count) for name, count in reason.numbers if name in set(Verdict)]
    found = []
    if verdicts:
        others = round(sum(count for _, count in verdicts)) - 1
        found.append(f"{reason.note}: {VERDICTS[verdicts[0][0]]}{f', and {others} more' if others else ''}")
    unlisted = round(dict(reason.numbers).get("unlisted", 0.0))
    if unlisted:
        found.append(f"{_count(unlisted, 'pod')} of the target not listed")
    return f" ({'; '.join(found)})" if found else ""


def _pressure(waiting_requests: float, queue_seconds: float, recent: float) -> str:
    """What is too high, without the zeros."""
    demand = f"demand over the last 30 s is {recent:.1f} replicas"
    if not waiting_requests:
        return demand
    queue = f"requests waiting: {waiting_requests:g} ({queue_seconds:.1f} s of work per replica)"
    return f"{queue}; {demand}" if recent >= 0.05 else queue


def _would(plan: Plan) -> str:
    wanted, current = plan.desired_replicas, plan.current_replicas
    if current is None:
        return f"Would run {_count(wanted, 'replica')} (how many run is unknown)"
    if wanted == current:
        return f"Would keep {_count(wanted, 'replica')}"
    verb = "grow" if wanted > current else "shrink"
    return f"Would {verb} to {_count(wanted, 'replica')} ({current} {'runs' if current == 1 else 'run'})"


def _change(plan: Plan, before: Plan | None) -> str:
    now, was = plan.desired_replicas, plan.replicas_before(before)
    if was is None or was == now:
        return f"{'Runs' if was is None else 'Keeps'} {_count(now, 'replica')}"
    return f"{'Grows' if now > was else 'Shrinks'} from {was} to {_count(now, 'replica')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
