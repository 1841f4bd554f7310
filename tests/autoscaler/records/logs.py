"""Decision logs of two workloads, and the commands that read them."""

from pathlib import Path

from typer.testing import CliRunner

from autoscaler.cli import app
from autoscaler.records.writer import Recorder
from autoscaler.settings import DECISION_LOG_BYTES
from policies.engine import step
from policies.model import State
from tests.support.worlds import Fleet, a_policy

RATES = [3.0] * 8 + [9.0] * 4 + [16.0] * 4 + [3.0] * 8


def write_log(folder: Path, max_bytes: int = DECISION_LOG_BYTES) -> None:
    """The demand of chat/qwen rises and falls, that of chat/calm does not."""
    recorder = Recorder(folder, max_bytes)
    policies = {"chat/qwen": RATES, "chat/calm": [1.0] * len(RATES)}
    fleets, states = {name: Fleet() for name in policies}, dict.fromkeys(policies, State())
    for tick in range(len(RATES)):
        for name, rates in policies.items():
            policy, inputs = a_policy(name=name), fleets[name].tick(rates[tick])
            result = step(policy, states[name], inputs)
            recorder.record(policy, states[name], inputs, result)
            states[name] = result.state
    recorder.close()


def run(*arguments: object, stdin: bytes | None = None) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
    return result.exit_code, result.stdout, result.stderr
