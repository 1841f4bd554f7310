"""Plays one scenario live and shows it: in a terminal as a picture, elsewhere in lines."""

from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.live import Live

from crds.files import PolicyDocument
from policies.ladder import lead_seconds, replica_rung
from replay.demo.journal import Journal
from replay.demo.plain import Lines
from replay.demo.processes import DiedError, Pair
from replay.demo.story import Story
from replay.demo.view import picture
from replay.driver import Outcome
from replay.scenario.scenario import Scenario


def play(scenario: Scenario, policy: PolicyDocument, *, speed: float, folder: Path, console: Console) -> Outcome:
    """What Outrider came to. Raises DiedError where a process ends early, and OSError where the folder cannot be used."""
    settings = policy.workload.policy
    story = Story(scenario.start_seconds, lead_seconds(policy.workload.cold_start, replica_rung(settings)))
    terminal = console.is_terminal and (console.encoding or "").lower().startswith("utf")
    with (
        Pair(scenario, policy, speed=speed, queue_wait_seconds=settings.queue_wait_seconds, folder=folder) as pair,
        closing(Journal(pair.decisions)) as journal,
    ):
        if terminal:
            with Live(console=console, screen=True, auto_refresh=False) as live:
                for snapshot in pair.frames():
                    story.tell(snapshot, journal.news())
                    shown = picture(
                        story,
                        title=scenario.name,
                        speed=speed,
                        duration_seconds=scenario.duration_seconds,
                        size=(console.size.width, console.size.height),
                    )
                    live.update(shown, refresh=True)
        else:
            lines = Lines()
            for snapshot in pair.frames():
                entries = journal.news()
                story.tell(snapshot, entries)
                for line in lines.news(story, entries):
                    console.print(line, soft_wrap=True)
    if pair.outcome is None:
        raise DiedError("the simulated cluster told no outcome")
    return pair.outcome
