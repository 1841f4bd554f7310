"""What a contender is shown: a view whose readings are given."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from replay.contenders.view import View
from replay.scenario.actuators import NO_ACTUATORS
from replay.scenario.scenario import L4_8B
from replay.sim.disk import Model
from replay.sim.kernel import Metrics, rows
from replay.sim.readings import Readings
from replay.sim.units import Pod
from replay.sim.views import Passed


class FakeView(View):
    """A view without a world: the readings that it is given, and replicas that are set."""

    def __init__(self, at_seconds: float = 0.0, spec_replicas: int = 1) -> None:
        self.at_seconds = at_seconds
        self.spec = spec_replicas
        self.read = readings({}, at_seconds)
        self.seen = passed()

    @property
    def now_seconds(self) -> float:
        return self.at_seconds

    @property
    def spec_replicas(self) -> int:
        return self.spec

    @property
    def status_replicas(self) -> int:
        return self.spec

    def readings(self) -> Readings:
        return self.read

    def passed(self, seconds: float) -> Passed:
        return self.seen

    def scale(self, replicas: int) -> None:
        self.spec = replicas


def readings(pods: Mapping[int, Mapping[str, float]], at_seconds: float = 0.0) -> Readings:
    """Of pods by ordinal, the fields of a PodSample."""
    metrics = rows(Metrics, len(pods))
    for at, shown in enumerate(pods.values()):
        for name, value in shown.items():
            metrics[name][at] = value
    return Readings([POD[ordinal] for ordinal in pods], at_seconds, metrics, np.zeros((len(pods), 1), np.int64))


def passed(
    first_token_seconds: Sequence[float] = (),
    token_seconds: Sequence[float] = (),
    *,
    requests: int = 0,
    prompt: int = 0,
    output: int = 0,
) -> Passed:
    """So many requests arrived and finished, each with as many tokens."""
    times = (np.array(seconds, np.float64) for seconds in (first_token_seconds, token_seconds))
    return Passed(requests, requests * prompt, requests, requests * output, *times)


MODEL = Model("llm", L4_8B, NO_ACTUATORS, 0, (), "llm")
POD: Any = {ordinal: Pod(f"llm-{ordinal}", 0.0, 1, (), ordinal=ordinal, model=MODEL) for ordinal in range(9)}
