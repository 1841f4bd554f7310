"""Output without a terminal: a line for each decision that changes a number and for each wait, and a status each minute."""

from collections.abc import Iterable, Iterator

from replay.demo.journal import Entry, PoolEntry
from replay.demo.live_run import LiveRun
from replay.demo.view import clock, said, times

STATUS_SECONDS = 60.0  # scenario time


class LineView:
    """Turns frames into lines; remembers what was waited for, and when the next status line is due."""

    def __init__(self) -> None:
        self._due_s = 0.0
        self._waited_for: str | None = None
        self._refused: dict[str, int] = {}  # by offering: nodes that could not be had

    def lines(self, run: LiveRun, entries: Iterable[Entry | PoolEntry]) -> Iterator[str]:
        """The lines of a frame; `run` has been updated with it."""
        waits_for = run.snapshot["waits_for"]
        if waits_for is not None and waits_for != self._waited_for:
            yield f"Waiting for {waits_for}."
        self._waited_for = waits_for
        for entry in entries:
            if entry.sentence is not None:
                yield f"{clock(entry.at_seconds)}  {said(run, entry)}"
        snapshot = run.snapshot
        for offering in snapshot.get("offerings", ()):
            name, refused = offering["name"], offering["refused"]
            if refused > self._refused.get(name, 0):
                yield f"{clock(snapshot['now_seconds'])}  The cloud refuses a node of {name}."
            self._refused[name] = refused
        if waits_for is None and snapshot["elapsed_seconds"] >= self._due_s:
            self._due_s = (snapshot["elapsed_seconds"] // STATUS_SECONDS + 1) * STATUS_SECONDS
            yield f"{clock(snapshot['now_seconds'])}  {status(run)}"


def status(run: LiveRun) -> str:
    """Demand, supply by rung, and requests, in one line."""
    snapshot, rungs = run.snapshot, run.rungs
    supply = ", ".join(
        f"{replicas + balloons} {name}"
        for name, replicas, balloons in zip(rungs.names, rungs.replicas, rungs.balloons, strict=True)
        if replicas + balloons
    )
    found = [f"{each['nodes']} {each['name']}" for each in snapshot.get("offerings", ()) if each["nodes"]]
    nodes = f"nodes: {', '.join(found)}; " if found else ""
    return (
        f"demand {snapshot['demand_replicas']:.1f} replicas; {supply or 'no replicas'}; {nodes}"
        f"{snapshot['running']:.0f} requests running, {snapshot['waiting']:.0f} waiting; {times(snapshot['speed'])}"
    )
