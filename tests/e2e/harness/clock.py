"""The clock of controllers under test, which runs as fast as the cluster and the engines do."""

import json
import math
import tempfile
import time
from pathlib import Path

from autoscaler.clock import Pace
from tests.e2e.harness.cluster import RATE


def clock_settings(epoch_seconds: float, behind_seconds: float = 0.0) -> dict[str, str]:
    """Settings of a controller for whom it was `behind_seconds` before the wall's `epoch_seconds` at that moment."""
    file = Path(tempfile.mkdtemp(prefix="outrider-clock-")) / "clock"
    monotonic_seconds = time.monotonic() - (time.time() - epoch_seconds)
    file.write_text(json.dumps(Pace(monotonic_seconds, epoch_seconds - behind_seconds, RATE, math.inf)._asdict()))
    return {"clock_file": str(file)}
