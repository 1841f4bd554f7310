"""Where demand repeats, the forecast saves GPU-hours at no less attainment; where it does not, it is not used."""

from pathlib import Path

import pytest

from crds.profiles import PROFILES
from forecasting.backtest import backtest
from forecasting.forecaster import Forecaster
from forecasting.worth import Law
from replay.commands.backtest import demand
from replay.contenders import outrider
from replay.contenders.contender import Setup
from replay.driver import run
from replay.scenario.build import build
from replay.scenario.hardware import hardware_of
from replay.scenario.policy import default
from replay.sim.serving import engine_of
from replay.sim.views import Score
from replay.traces.read import read
from replay.traces.samples import sample
from replay.traces.trace import Trace
from tests.support.rhythms import DAY, HOUR, hourly_jobs, working_weeks


def score(trace: Trace, start_seconds: float, duration_seconds: float) -> Score:
    """Outrider with the default policy on a part of a trace; what lies before is its history."""
    workload = default()
    hardware = hardware_of(workload)
    scenario = build(trace, start_seconds=start_seconds, duration_seconds=duration_seconds, hardware=hardware)
    contender = outrider.make(Setup(workload, engine_of(hardware), scenario.past))
    return run(scenario, contender, slo_wait_seconds=workload.policy.queue_wait_seconds).score


def assert_earns(trace: Trace, start: float, duration: float, patch: pytest.MonkeyPatch, saved_share: float) -> None:
    used = score(trace, start, duration)
    with patch.context() as without:
        without.setattr(Forecaster, "fan", lambda _forecaster, _now: None)
        unused = score(trace, start, duration)
    assert used.share_within_5s >= unused.share_within_5s
    assert used.gpu_hours <= (1.0 - saved_share) * unused.gpu_hours


def test_it_earns_on_jobs_at_each_full_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_earns(hourly_jobs(2.2), 2 * DAY + 0.4 * HOUR, 2.2 * HOUR, monkeypatch, 0.2)


def test_it_earns_on_the_rush_of_a_morning(monkeypatch: pytest.MonkeyPatch) -> None:
    office = sample("office-morning")
    assert_earns(office.trace, office.start_seconds, office.duration_seconds, monkeypatch, 0.05)


@pytest.mark.slow  # 10 s: two weeks of history
def test_it_earns_on_working_weeks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_earns(working_weeks(14.6), 14 * DAY + 8.5 * HOUR, 4 * HOUR, monkeypatch, 0.03)


@pytest.mark.slow  # 5 to 20 s: days of forecasts
@pytest.mark.parametrize(
    ("file", "scale"), [("azure2024_conv_d0-3_10s", 3.0), ("servegen_large_tenantsA_d0-9_1s", 2.0)]
)
def test_it_costs_nothing_where_there_is_nothing_to_foresee(shared: Path, file: str, scale: float) -> None:
    workload = default("8b-h100")
    trace = read(shared / "traces" / f"{file}.parquet")
    series = demand(trace, PROFILES["8b-h100"].engine, scale)
    chosen = backtest(series, Law.of(workload.policy, workload.cold_start)).scores[-1]
    assert chosen.family == "chosen"
    assert chosen.worth.share > -0.005
