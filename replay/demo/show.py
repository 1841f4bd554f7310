"""Plays one scenario live and shows it, as a picture in a terminal and as lines elsewhere."""

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live

from policies.ladder import lead_seconds, replica_rung
from replay.demo.journal import Journal
from replay.demo.live_run import LiveRun
from replay.demo.plain import LineView
from replay.demo.processes import DiedError, Pair
from replay.demo.result import Result
from replay.demo.view import picture
from replay.scenario.documents import Served

STARTING = (
    "Starting the simulated cluster; compiling its simulator takes 10 s the first time, longer on a busy machine."
)


def play(served: Served, *, speed: float, folder: Path, console: Console) -> Result:
    """Outrider's result. Ctrl-C ends it early, a second one at once; before it has started, that raises KeyboardInterrupt.

    Raises DiedError if a process ends early, and OSError if the folder cannot be used.
    """
    workload = served.policies[0].workload
    lead = lead_seconds(workload.cold_start, replica_rung(workload.policy))
    run = LiveRun(served.scenario.start_seconds, lead, policies=len(served.policies))
    console.print(STARTING, soft_wrap=True)
    with (
        Pair(served, speed=speed, folder=folder) as pair,
        closing(Journal(pair.decisions)) as journal,
        _first_interrupt_ends(pair) as interrupts,
    ):
        if console.is_terminal and not console.options.ascii_only:
            with Live(console=console, screen=True, auto_refresh=False) as live:
                for snapshot in pair.frames():
                    run.update(snapshot, journal.new_entries())
                    live.update(picture(run, (console.size.width, console.size.height)), refresh=True)
        else:
            view = LineView()
            for snapshot in pair.frames():
                entries = journal.new_entries()
                run.update(snapshot, entries)
                for line in view.lines(run, entries):
                    console.print(line, soft_wrap=True)
    if pair.outcome is None:
        raise DiedError("the simulated cluster ended without a result")
    return Result(
        pair.outcome,
        played_seconds=run.snapshot["elapsed_seconds"],
        stopped=bool(interrupts),
        decisions=run.decided,
        missed_scrapes_share=run.snapshot["missed_scrapes_share"],
        mean_speed=run.mean_speed,
        pools=run.snapshot["pools"],
    )


@contextmanager
def _first_interrupt_ends(pair: Pair) -> Iterator[list[int]]:
    """The first SIGINT ends the pair's run, not this process in the middle of a message. The list has it if there was one."""
    seen: list[int] = []

    def end(number: int, _frame: object) -> None:
        seen.append(number)
        signal.signal(signal.SIGINT, before)
        pair.end()

    before = signal.signal(signal.SIGINT, end)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)
