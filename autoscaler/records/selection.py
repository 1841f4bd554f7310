"""Which records of which logs a command reads: of one policy, and of a span of time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.progress import Progress

from autoscaler.records.pool_reader import OF_POOL
from autoscaler.records.reader import BadTimeError, damage, files, last_seconds, parse_time, read, within
from crds.notation.units import span_seconds
from policies.log import Allocation, Record, Started, records

PROGRESS_BYTES = 50_000_000  # from which on reading takes seconds


@dataclass(frozen=True, slots=True)
class Selection:
    """Records of `files`, between two times in Unix seconds; None: no limit.

    With `pools`, also the allocations of every pool, whatever the policy, from the first on: they are folded.
    """

    files: list[Path]
    policy: str | None
    start_seconds: float | None
    end_seconds: float | None
    pools: bool = False

    @classmethod
    def of(
        cls,
        logs: Iterable[Path],
        policy: str | None,
        since: str | None,
        until: str | None,
        last: str | None,
        *,
        pools: bool = False,
    ) -> Self:
        """From what was typed. Raises BadTimeError, and LogError where there is no log."""
        if last is not None and since is not None:
            raise BadTimeError("--last and --since both set the start; give one of them")
        found = files(logs)
        start, end = (None if text is None else parse_time(text) for text in (since, until))
        if last is not None:
            start = last_seconds(found) - _span_seconds(last)
        return cls(within(found, start, end), policy, start, end, pools)

    @property
    def is_narrowed(self) -> bool:
        """Whether less than all was asked for."""
        return (self.policy, self.start_seconds, self.end_seconds) != (None, None, None)

    def read(self) -> Iterator[tuple[Path, Record]]:
        """The records, each with its file. LogError; the progress is shown on a terminal where there is much to read."""
        total = sum(file.stat().st_size for file in self.files if file.is_file())
        console = Console(stderr=True)
        with Progress(
            console=console, transient=True, disable=not console.is_terminal or total < PROGRESS_BYTES
        ) as bar:
            task = bar.add_task("reading", total=total)

            def counted(lines: Iterable[str]) -> Iterator[Record]:
                def each() -> Iterator[str]:
                    for number, line in enumerate(lines):
                        bar.advance(task, len(line))
                        # A blank line is passed over unparsed, which is nearly all the work, and counted.
                        yield line if number == 0 or self._needs(line) else "\n"

                return records(each())

            for file in self.files:
                yield from ((file, record) for record in read(file, counted) if self._has(record))

    def collect(self, add: Callable[[Record], None]) -> None:
        """Add each record to something. LogError, also where a record cannot be used."""
        for file, record in self.read():
            with damage(file, record.line):
                add(record)

    def _needs(self, line: str) -> bool:
        if any(kind in line for kind in OF_POOL):
            return self.pools
        return self.policy is None or f'"name":"{self.policy}"' in line

    def _has(self, record: Record) -> bool:
        if isinstance(record, Allocation):
            return self.end_seconds is None or record.inputs.now_seconds <= self.end_seconds
        if isinstance(record, Started):
            name, at_seconds = record.policy, record.start.requested_seconds
        else:
            name, at_seconds = record.policy.name, record.inputs.now_seconds
        in_time = (self.start_seconds is None or at_seconds >= self.start_seconds) and (
            self.end_seconds is None or at_seconds <= self.end_seconds
        )
        return in_time and self.policy in (None, name)


def _span_seconds(text: str) -> float:
    try:
        return span_seconds(text)
    except ValueError:
        raise BadTimeError(f"--last {text!r} is not a duration like 90m, 24h or 7d") from None
