"""Writes the picture of the demo in the documentation: `make picture`."""

import sys
from pathlib import Path

from crds.files import one_policy
from replay.commands.demo import POLICY_FILE, SAMPLE
from replay.commands.replay import scenario_of
from replay.demo.still import still


def picture() -> str:
    """The demo as it is without options, as an SVG."""
    workload = one_policy(str(POLICY_FILE)).workload
    return still(scenario_of(workload, SAMPLE, scale=1.0, start=None, duration=None, past="trace", seed=0), workload)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture(), encoding="utf-8")
