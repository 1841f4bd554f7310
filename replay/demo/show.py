"""Plays one scenario live and shows it, as a picture in a terminal and as lines elsewhere."""

from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.live import Live

from crds.files import PolicyDocument
from policies.ladder import lead_seconds, replica_rung
from replay.demo.journal import Journal
from replay.demo.live_run import LiveRun
from replay.demo.plain import LineView
from replay.demo.processes import DiedError, Pair
from replay.demo.view import picture
from replay.driver import Outcome
from replay.scenario.scenario import Scenario


def play(scenario: Scenario, policy: PolicyDocument, *, speed: float, folder: Path, console: Console) -> Outcome:
    """Outrider's outcome. Raises DiedError if a process ends early, and OSError if the folder cannot be used."""
    settings = policy.workload.policy
    run = LiveRun(scenario.start_seconds, lead_seconds(policy.workload.cold_start, replica_rung(settings)))
    terminal = console.is_terminal and (console.encoding or "").lower().startswith("utf")
    with (
        Pair(scenario, policy, speed=speed, queue_wait_seconds=settings.queue_wait_seconds, folder=folder) as pair,
        closing(Journal(pair.decisions)) as journal,
    ):
        if terminal:
            with Live(console=console, screen=True, auto_refresh=False) as live:
                for snapshot in pair.frames():
                    run.update(snapshot, journal.new_entries())
                    shown = picture(
                        run,
                        title=scenario.name,
                        speed=speed,
                        duration_seconds=scenario.duration_seconds,
                        size=(console.size.width, console.size.height),
                    )
                    live.update(shown, refresh=True)
        else:
            view = LineView()
            for snapshot in pair.frames():
                entries = journal.new_entries()
                run.update(snapshot, entries)
                for line in view.lines(run, entries):
                    console.print(line, soft_wrap=True)
    if pair.outcome is None:
        raise DiedError("the simulated cluster ended without a result")
    return pair.outcome
