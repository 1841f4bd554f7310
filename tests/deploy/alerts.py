"""What each alert must do for which series, as `tests/e2e/test_alerts.py` has promtool evaluate it.

Series are written as promtool reads them: a value, its change a minute, and how often. Labels are those of the metric; those
that a scrape adds are in `OWN` and `ENGINE`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).parents[2] / "deploy" / "components" / "prometheus-operator" / "prometheusrule.yaml"

OWN = 'job="outrider",namespace="outrider-system",pod="outrider-7d4b-x2x"'
ENGINE = 'job="llm/vllm",namespace="llm",endpoint="http",engine="0",model_name="m"'
CHAT = 'policy="llm/chat"'


@dataclass(frozen=True)
class Case:
    """Series, when one looks at the alert, and whether it fires then."""

    about: str
    fires: bool
    at: str
    series: dict[str, str]


def yes(about: str, at: str, **series: str) -> Case:
    return Case(about, True, at, _labelled(series))


def no(about: str, at: str, **series: str) -> Case:
    return Case(about, False, at, _labelled(series))


def _labelled(series: dict[str, str]) -> dict[str, str]:
    """Series of Outrider itself, by name: `name__value` is the one whose last label has that value."""
    found = {}
    for name, values in series.items():
        metric, _, value = name.partition("__")
        labels = [OWN] if metric in OF_NO_POLICY else [OWN, CHAT]
        labels += ['kind="image"'] if metric == "outrider_fetches_total" else []
        labels += [f'{LAST_LABELS[metric]}="{value}"'] if value else []
        found[f"{metric}{{{','.join(labels)}}}"] = values
    return found


OF_NO_POLICY = ("up", "outrider_decision_log_errors_total", "outrider_kube_errors_total")
LAST_LABELS = {
    "outrider_kube_errors_total": "kind",
    "outrider_failures_total": "part",
    "outrider_fetches_total": "outcome",
    "outrider_pod_readings": "verdict",
    "outrider_source_answers_total": "source",
    "outrider_state_refused_total": "reason",
}


def queue(wait_bound: str, attainment: str, *pods: tuple[str, str, str]) -> dict[str, str]:
    """A policy's promise, and of each pod (name, requests, those within the bound) what vLLM and Outrider export."""
    series = {f"outrider_slo_attainment_ratio{{{OWN},{CHAT}}}": f"{attainment}x90"}
    for pod, requests, in_time in pods:
        series |= {
            f'outrider_slo_pod_info{{{OWN},{CHAT},target_pod="llm/{pod}",le="{wait_bound}"}}': "1x90",
            f'vllm:request_queue_time_seconds_count{{{ENGINE},pod="{pod}"}}': requests,
            f'vllm:request_queue_time_seconds_bucket{{{ENGINE},pod="{pod}",le="0.3"}}': "0x90",
            f'vllm:request_queue_time_seconds_bucket{{{ENGINE},pod="{pod}",le="{wait_bound}"}}': in_time,
            f'vllm:request_queue_time_seconds_bucket{{{ENGINE},pod="{pod}",le="+Inf"}}': requests,
        }
    return series


OTHERS = {  # a pod of no policy, and one of the same name in another namespace: all of their requests were late
    f'vllm:request_queue_time_seconds_count{{{ENGINE},pod="other-0"}}': "0+10x90",
    f'vllm:request_queue_time_seconds_bucket{{{ENGINE},pod="other-0",le="5.0"}}': "0x90",
    f'vllm:request_queue_time_seconds_count{{{ENGINE.replace("llm", "dev")},pod="chat-0"}}': "0+10x90",
    f'vllm:request_queue_time_seconds_bucket{{{ENGINE.replace("llm", "dev")},pod="chat-0",le="5.0"}}': "0x90",
}

CASES: dict[str, tuple[Case, ...]] = {
    "OutriderDown": (
        no("it runs", "10m", up="1x20"),
        no("one scrape is missed", "4m", up="1x2 0x1 1x20"),
        yes("it was never there", "10m"),
        yes("it is gone", "10m", up="1x2 0x20"),
    ),
    "OutriderDecisionStale": (
        no("decisions are made", "10m", outrider_decision_age_seconds="14x20"),
        no("one came late", "10m", outrider_decision_age_seconds="3x5 70 3x20"),
        yes("none is made", "4m", outrider_decision_age_seconds="0+60x20"),
    ),
    "OutriderDecisionsFail": (
        no("none fails", "10m", outrider_failures_total__decision="0x20"),
        no("another part fails", "10m", outrider_failures_total__Reporter="0+1x20"),
        yes("one fails", "10m", outrider_failures_total__decision="0x5 1x20"),
        no("that was long ago", "30m", outrider_failures_total__decision="0x5 1x40"),
    ),
    "OutriderPartFails": (
        no("decisions fail, which is another alert", "20m", outrider_failures_total__decision="0+4x30"),
        no("it failed a quarter of an hour ago", "20m", outrider_failures_total__Reporter="0x4 1x30"),
        yes("it fails at every turn", "20m", outrider_failures_total__Reporter="1+4x30"),
    ),
    "OutriderPolicyNotReady": (
        no("it is ready", "20m", outrider_policy_ready="1x30"),
        no("it was not, for a moment", "20m", outrider_policy_ready="1x5 0x3 1x30"),
        yes("it is refused", "20m", outrider_policy_ready="1x5 0x30"),
    ),
    "OutriderCallsForbidden": (
        yes("a right is missing", "25m", outrider_kube_errors_total__Forbidden="1+2x30"),
        no("not for long yet", "9m", outrider_kube_errors_total__Forbidden="1+2x30"),
        no("one refused Job, once", "25m", outrider_kube_errors_total__Forbidden="0x8 1x30"),
        no("Jobs that are there already", "25m", outrider_kube_errors_total__Conflict="1+2x30"),
    ),
    "OutriderSignalUnknown": (
        no("demand is known", "10m", outrider_signal_unknown="0x20"),
        no("it was unknown for a moment", "10m", outrider_signal_unknown="0x3 1x3 0x20"),
        no("nothing is meant to run", "10m", outrider_signal_unknown="1x20", outrider_current_replicas="0x20"),
        yes("it is unknown", "6m", outrider_signal_unknown="1x20", outrider_current_replicas="NaN" + " NaN" * 20),
    ),
    "OutriderCoveragePartial": (
        no("all pods count", "30m", outrider_coverage_ratio="1x40"),
        no("for less than 15 minutes", "19m", outrider_coverage_ratio="1x5 0.9x40"),
        no("a rollout", "40m", outrider_coverage_ratio="1x5 0.5x10 1x40"),
        no("nothing is meant to run", "30m", outrider_coverage_ratio="0x40", outrider_current_replicas="0x40"),
        yes("one of ten does not", "22m", outrider_coverage_ratio="1x5 0.9x40"),
        yes("none does", "22m", outrider_coverage_ratio="1x5 0x40", outrider_current_replicas="3x40"),
    ),
    "OutriderReadingUnusable": (
        no("all are counted", "30m", outrider_pod_readings__Counted="3x40", outrider_pod_readings__Stuck="0x40"),
        no("pods start", "30m", outrider_pod_readings__Starting="3x40", outrider_pod_readings__Unread="1x40"),
        no("one reading was impossible", "30m", outrider_pod_readings__Impossible="0x5 1 0x40"),
        yes("a pod is stuck", "30m", outrider_pod_readings__Stuck="0x5 1x40"),
        yes("a metric is missing", "30m", outrider_pod_readings__Incomplete="2x40"),
        yes("what a pod says cannot be", "30m", outrider_pod_readings__Impossible="2x40"),
        yes("counters fall at every other tick", "30m", outrider_pod_readings__Reset="0 1 0 1" + " 0 1" * 20),
    ),
    "OutriderSourceNeverWorked": (
        no("it works", "20m", outrider_source_answers_total__pods="0+4x30"),
        no("it worked once: another alert says what is missing now", "20m", outrider_source_answers_total__pods="1x30"),
        no("it was not asked", "20m", outrider_source_answers_total__history="1x30"),
        no("the controller has just started", "4m", outrider_source_answers_total__pods="0x30"),
        yes("no pod was ever read", "20m", outrider_source_answers_total__pods="0x30"),
        yes("Prometheus never answered", "20m", outrider_source_answers_total__prometheus="0x30"),
    ),
    "OutriderAtMaximum": (
        no(
            "below", "20m", outrider_desired_replicas="4x30", outrider_max_replicas="5x30", outrider_min_replicas="1x30"
        ),
        no(
            "just now",
            "9m",
            outrider_desired_replicas="5x30",
            outrider_max_replicas="5x30",
            outrider_min_replicas="1x30",
        ),
        no(
            "it is fixed",
            "20m",
            outrider_desired_replicas="5x30",
            outrider_max_replicas="5x30",
            outrider_min_replicas="5x30",
        ),
        yes(
            "at it", "20m", outrider_desired_replicas="5x30", outrider_max_replicas="5x30", outrider_min_replicas="1x30"
        ),
    ),
    "OutriderAttainmentMissed": (
        Case("kept", False, "80m", queue("5.0", "0.99", ("chat-0", "0+100x90", "0+100x90")) | OTHERS),
        Case("kept just so", False, "80m", queue("5.0", "0.9", ("chat-0", "0+100x90", "0+91x90"))),
        Case("missed", True, "80m", queue("5.0", "0.9", ("chat-0", "0+100x90", "0+88x90")) | OTHERS),
        Case(
            "kept by the sum",
            False,
            "80m",
            queue("5.0", "0.9", ("chat-0", "0+9x90", "0x90"), ("chat-1", "0+99x90", "0+99x90")),
        ),
        Case("missed by a pod that is gone", True, "60m", queue("1.0", "0.99", ("chat-0", "0+100x30", "0+50x30"))),
        Case(
            "an hour after the last miss", False, "89m", queue("5.0", "0.99", ("chat-0", "0+5x20 100x70", "0x20 0x70"))
        ),
        Case("three of three", False, "80m", queue("5.0", "0.99", ("chat-0", "0x40 1 2 3x40", "0x90"))),
        Case("without vLLM's series", False, "80m", queue("5.0", "0.99")),
    ),
    "OutriderFetchesFail": (
        no("none was needed", "90m", outrider_fetches_total__failed="0x100", outrider_fetches_total__done="0x100"),
        no(
            "the second try worked",
            "90m",
            outrider_fetches_total__failed="0x30 1x70",
            outrider_fetches_total__done="0x35 1x65",
        ),
        yes(
            "each one fails",
            "60m",
            outrider_fetches_total__failed="0x5 1x30 2x60",
            outrider_fetches_total__done="3x100",
        ),
        no("two hours ago", "160m", outrider_fetches_total__failed="0x5 1x200", outrider_fetches_total__done="3x200"),
    ),
    "OutriderStateNotSaved": (
        no("it is saved", "20m", outrider_state_age_seconds="29x30"),
        no("one save failed", "20m", outrider_state_age_seconds="29x5 59 29x30"),
        yes("no save succeeds", "20m", outrider_state_age_seconds="29x5 60+60x30"),
    ),
    "OutriderStateRefused": (
        no("no state was refused", "20m"),
        yes("at the start", "5m", outrider_state_refused_total__format="1x200"),
        no("two hours ago", "120m", outrider_state_refused_total__format="1x200"),
    ),
    "OutriderDecisionLogFails": (
        no("it is written", "20m", outrider_decision_log_errors_total="0x30"),
        no("a moment of it was lost", "30m", outrider_decision_log_errors_total="0x5 3x40"),
        yes("the volume is full", "20m", outrider_decision_log_errors_total="0+4x30"),
    ),
}


def rules() -> list[dict[str, Any]]:
    """The rules of all groups."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["spec"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def promtool_tests(alert: str, rule_file: Path) -> dict[str, Any]:
    """The cases of one alert as `promtool test rules` reads them."""
    return {
        "rule_files": [str(rule_file)],
        "evaluation_interval": "15s",
        "tests": [_test(alert, case) for case in CASES[alert]],
    }


def _test(alert: str, case: Case) -> dict[str, Any]:
    fires = [{"labels": "{}", "value": 1}] if case.fires else []
    return {
        "name": f"{alert}: {case.about}",
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})',
                "eval_time": case.at,
                "exp_samples": fires,
            }
        ],
    }
