"""Settings: where they come from, what is refused, and what is shown."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from autoscaler.cli import app
from autoscaler.settings import Settings, SettingsError, declared, load, masked, unknown_variables


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"OUTRIDER_{name.upper()}", raising=False)


def test_defaults_need_nothing() -> None:
    settings = load()
    assert settings.prometheus_url is None
    assert (settings.scaler_bind, settings.web_bind) == ("0.0.0.0:6000", "0.0.0.0:8080")
    assert (settings.scrape_interval_seconds, settings.clock_file) == (2, None)


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTRIDER_SCRAPE_INTERVAL_SECONDS", "30")
    monkeypatch.setenv("OUTRIDER_MAX_BALLOONS", "4")
    monkeypatch.setenv("OUTRIDER_NAMESPACE", "")
    settings = load({"max_balloons": 5, "scrape_interval_seconds": None})
    assert (settings.scrape_interval_seconds, settings.max_balloons, settings.namespace) == (30, 5, None)


def test_every_problem_is_reported_at_once_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTRIDER_SCRAPE_INTERVAL_SECONDS", "soon")
    monkeypatch.setenv("OUTRIDER_SCALER_BIND", "6000")
    monkeypatch.setenv("OUTRIDER_PROMETHEUS_URL", "ftp://me:pa55@host")
    with pytest.raises(SettingsError) as caught:
        load({"max_balloons": -1})
    assert str(caught.value).splitlines() == [
        "the settings are not valid:",
        "  OUTRIDER_SCRAPE_INTERVAL_SECONDS=soon: Input should be a valid number, unable to parse string as a number",
        "  OUTRIDER_PROMETHEUS_URL=ftp://***@host: must be a URL like http://prometheus.monitoring:9090",
        "  OUTRIDER_SCALER_BIND=6000: must be HOST:PORT like 0.0.0.0:6000 or [::]:6000; port 0 takes a free one",
        "  --max-balloons -1: Input should be greater than or equal to 0",
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"prometheus_url": "prometheus:9090"}, "--prometheus-url prometheus:9090: must be a URL"),
        ({"prometheus_url": "me:pa55@prometheus:9090"}, "--prometheus-url ***@prometheus:9090: must be a URL"),
        ({"prometheus_server_name": "https://p"}, "must be a host name"),
        ({"prometheus_tenant": "a\nb: c"}, "--prometheus-tenant ***: must be at most 256 printable characters"),
        ({"prometheus_ca_file": "/gone.crt"}, "Path does not point to a file"),
        (
            {"prometheus_token_file": __file__, "prometheus_url": "http://p:9090"},
            "prometheus_token_file needs a prometheus_url that begins with https://",
        ),
        (
            {"prometheus_token_file": __file__, "prometheus_url": "https://me:pa55@p:9090"},
            "and has no user name, since a token is never sent in plain text",
        ),
        (
            {"prometheus_token_file": __file__, "prometheus_url": "https://p", "prometheus_skip_verify": True},
            "exclude each other: anyone could take the token",
        ),
        ({"web_bind": "0.0.0.0:99999"}, "must be HOST:PORT"),
        ({"web_bind": "0.0.0.0:http"}, "must be HOST:PORT"),
        ({"pause_image": "pause 3.10"}, "must be the reference of an image"),
        ({"pause_image": ""}, "must be the reference of an image"),
        ({"scrape_interval_seconds": 0}, "greater than 0"),
        ({"scrape_interval_seconds": float("inf")}, "finite"),
        ({"max_balloons": -1}, "greater than or equal to 0"),
        ({"log_level": "loud"}, "'debug', 'info', 'warning' or 'error'"),
        ({"kubeconfig": "/no/such/file"}, "--kubeconfig /no/such/file: Path does not point to a file"),
        ({"no_such_setting": 1}, "--no-such-setting 1: Extra inputs are not permitted"),
    ],
)
def test_what_is_refused(flags: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(flags)
    assert message in str(caught.value)


def test_tls_needs_certificate_and_key(tmp_path: Path) -> None:
    file = tmp_path / "pem"
    file.write_text("")
    for flags in ({"tls_cert": file}, {"tls_key": file}, {"tls_ca": file}):
        with pytest.raises(SettingsError, match="tls_"):
            load(flags)
    assert load({"tls_cert": file, "tls_key": file, "tls_ca": file}).tls_ca == file


def test_shown_settings_hold_no_secret() -> None:
    settings = load({"prometheus_url": "https://me:pa55@prometheus:9090/", "prometheus_tenant": "a-tenant"})
    shown = masked(settings)
    assert shown["prometheus_url"] == "https://***@prometheus:9090"
    assert shown["prometheus_tenant"] == "***"
    assert "a-tenant" not in repr(settings)
    assert set(shown) == set(Settings.model_fields)
    assert "pa55" not in json.dumps(shown) + repr(settings) + str(settings)
    assert settings.prometheus_url == "https://me:pa55@prometheus:9090"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://prometheus:9090/?api_token=pa55", "must end with its path"),
        ("http://prometheus:9090/?key=pa55", "must end with its path"),
        ("http://prometheus:9090?x=1&session=pa55", "must end with its path"),
        ("http://prometheus:9090/#pa55", "must end with its path"),
        ("http://me:pa55/x@prometheus:9090", "has an @ behind its host"),
        ("http://me:pa[55@prometheus:9090", "must be a URL like"),
        ("http://prometheus:99999", "must be a URL like"),
        ("http://me:1234/pa55@prometheus:9090", "has an @ behind its host"),
        ("http://me:1234?pa55@prometheus:9090", "has an @ behind its host"),
    ],
)
def test_a_url_that_cannot_work_is_refused_and_its_secret_is_not_shown(url: str, why: str) -> None:
    """The path of the API would become part of the query, or the host would be the user's name."""
    with pytest.raises(SettingsError, match=why) as caught:
        load({"prometheus_url": url})
    assert "pa55" not in str(caught.value)


def test_a_scheme_in_capitals_is_the_same() -> None:
    """Else a CA would not be used, since it is for URLs that begin with https."""
    assert load({"prometheus_url": "HTTPS://Prometheus:9090/A/"}).prometheus_url == "https://Prometheus:9090/A"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load().max_balloons = 3


def test_each_is_declared_with_what_help_shows() -> None:
    settings = {setting.name: setting for setting in declared()}
    assert list(settings) == list(Settings.model_fields)
    assert all(setting.text.endswith(".") and setting.default_text for setting in settings.values())
    interval = settings["scrape_interval_seconds"]
    assert (interval.flag, interval.variable) == ("--scrape-interval-seconds", "OUTRIDER_SCRAPE_INTERVAL_SECONDS")
    assert (interval.type, interval.default_text) == (float, "2")
    assert settings["namespace"].default_text == "all namespaces"


@pytest.mark.parametrize(
    ("name", "value", "instead"),
    [
        ("OUTRIDER_PROMETEUS_URL", "http://p:9090", "did you mean OUTRIDER_PROMETHEUS_URL?"),
        ("OUTRIDER_PROM_URL", "http://p:9090", "did you mean OUTRIDER_PROMETHEUS_URL?"),
        ("outrider_statedir", "/state", "did you mean OUTRIDER_STATE_DIR?"),
        ("OUTRIDER_WEB_PORT", "8080", "did you mean OUTRIDER_WEB_BIND?"),
        ("OUTRIDER_XYZ", "1", "outrider run --help lists the settings"),
        ("OUTRIDER_", "1", "outrider run --help lists the settings"),
    ],
)
def test_an_unknown_variable_is_a_warning(monkeypatch: pytest.MonkeyPatch, name: str, value: str, instead: str) -> None:
    monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["run", "--show-settings"])
    assert result.stderr == f"outrider run: warning: {name} is not a setting and has no effect; {instead}\n"
    assert result.exit_code == 0
    assert json.loads(result.stdout)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Outrider_Max_Balloons", "3"),
        ("_OUTRIDER_COMPLETE", "complete_bash"),
        ("OUTRIDERS_URL", "x"),
        ("OUTRIDER_PROMETEUS_URL", ""),
        ("OUTRIDER_SHARED", "/data"),
        ("OUTRIDER_SERVICE_HOST", "10.0.0.1"),
        ("OUTRIDER_SERVICE_PORT_GRPC", "6000"),
        ("OUTRIDER_METRICS_SERVICE_PORT", "8080"),
        ("OUTRIDER_PORT", "tcp://10.0.0.1:6000"),
        ("OUTRIDER_PORT_6000_TCP", "tcp://10.0.0.1:6000"),
        ("OUTRIDER_PORT_6000_TCP_ADDR", "10.0.0.1"),
    ],
)
def test_a_variable_of_another_kind_is_no_warning(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert unknown_variables() == []


def test_run_without_a_cluster_is_one_sentence(tmp_path: Path) -> None:
    """A process of its own, since libraries print what they like to its streams; it takes a second."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OUTRIDER_", "KUBE"))}
    program = Path(sys.executable).with_name("outrider")
    home = {"HOME": str(tmp_path)}
    done = subprocess.run([program, "run"], env=own | home, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(
        f"outrider run: no usable service account or kubeconfig: {tmp_path}/.kube/config does"
    )
    assert done.stderr.endswith("; set OUTRIDER_KUBECONFIG to a readable kubeconfig\n")


def test_run_has_an_option_for_each() -> None:
    shown = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"}).output
    for setting in declared():
        (line,) = [line for line in shown.splitlines() if line.startswith(f"│ {setting.flag} ")]
        assert f"{setting.text} [default: {setting.default_text}]" in line


def test_flags_reach_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTRIDER_PRIORITY_CLASS", "low")
    monkeypatch.setenv("OUTRIDER_MAX_BALLOONS", "4")
    result = CliRunner().invoke(app, ["run", "--show-settings", "--max-balloons", "5", "--log-level", "debug"])
    shown = json.loads(result.output)
    assert (shown["priority_class"], shown["max_balloons"], shown["log_level"]) == ("low", 5, "debug")


def test_run_refuses_settings_by_flag_and_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTRIDER_WEB_BIND", "8080")
    result = CliRunner().invoke(app, ["run", "--max-balloons", "-1"])
    assert result.exit_code == 2
    assert "OUTRIDER_WEB_BIND=8080: must be HOST:PORT" in result.output
    assert "--max-balloons -1: Input should be greater than or equal to 0" in result.output


def test_a_clock_file_is_read_before_the_start(tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("{}")
    for path, why in (
        ("clock", "is not a clock file, which outrider simulate writes"),
        ("gone", "cannot be read: No such"),
    ):
        with pytest.raises(SettingsError, match=f"--clock-file {tmp_path}/{path}: {why}"):
            load({"clock_file": tmp_path / path})
