"""What the decision log shows: how late a tick's last decision came, how old its samples were, and how much was covered.

A line has the time that was decided for, not the time at which it was. So the log is watched while it grows: a line was
decided when its bytes came.
"""

import contextlib
import json
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.02
GRID_SECONDS = 15.0


@dataclass
class Growth:
    """Sizes of one file, and when each was seen."""

    sizes: list[int] = field(default_factory=list)
    seen_seconds: list[float] = field(default_factory=list)

    def came_seconds(self, end: int) -> float:
        """When the byte before `end` was first seen."""
        return self.seen_seconds[min(bisect_left(self.sizes, end), len(self.sizes) - 1)]


class LogWatch:
    """Watches the files of a folder, in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Path, Growth] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.look(time.time())

    def look(self, now_seconds: float) -> None:
        """Note what has grown. A file that goes meanwhile is no longer looked at."""
        for path in self._folder.rglob("*.jsonl"):
            with contextlib.suppress(FileNotFoundError):
                growth, size = self._files.setdefault(path, Growth()), path.stat().st_size
                if not growth.sizes or growth.sizes[-1] != size:
                    growth.sizes.append(size)
                    growth.seen_seconds.append(now_seconds)

    def ticks(self, first_seconds: float, last_seconds: float) -> Iterator[tuple[float, dict[str, Any]]]:
        """When each decision of a tick between two times was seen, and its line."""
        for path, growth in self._files.items():
            if not path.exists() or not growth.sizes:
                continue
            end = 0
            with path.open("rb") as file:
                for line in file:
                    end += len(line)
                    if b'"on_grid":true' not in line or not line.endswith(b"\n"):
                        continue
                    came = growth.came_seconds(end)
                    if first_seconds <= came <= last_seconds:
                        yield came, json.loads(line)


@dataclass(frozen=True)
class Ticks:
    """Of the decisions of the ticks in a window."""

    decisions: int
    wanted: int  # a decision of each policy at each tick
    coverage: float | None  # mean
    ages_seconds: list[float]  # of each sample at each decision, the newest last
    latest_seconds: float | None  # after its tick, of the last decision of each; the median of the ticks


def ticks(watch: LogWatch, policies: int, first_seconds: float, last_seconds: float) -> Ticks:
    """Figures of the ticks from first to last."""
    ages: list[float] = []
    covered: list[float] = []
    late: dict[float, float] = {}
    for came, line in watch.ticks(first_seconds, last_seconds + GRID_SECONDS):
        due = line["inputs"]["now_seconds"]
        if not first_seconds <= due <= last_seconds:
            continue
        covered.append(line["demand"]["coverage"])
        ages += [came - sample["at_seconds"] for sample in line["inputs"]["samples"]]
        late[due] = max(late.get(due, 0.0), came - due)
    due_ticks = int(last_seconds // GRID_SECONDS) - int(first_seconds // GRID_SECONDS)
    return Ticks(
        len(covered),
        policies * due_ticks,
        sum(covered) / len(covered) if covered else None,
        sorted(ages),
        max(late.values()) if late else None,
    )
