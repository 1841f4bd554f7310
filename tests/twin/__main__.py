"""Plays many schedules on all cores and prints a table by kind of fault; or replays one, tick by tick.

python -m tests.twin --schedules 10000
python -m tests.twin --seed 17
"""

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.twin.excluded import EXCLUDED
from tests.twin.invariants import means
from tests.twin.play import Moment
from tests.twin.run import Verdict, judged, judged_all, played, table
from tests.twin.schedule import FAULTS_PER_LOAD, schedule


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.twin", description=__doc__)
    parser.add_argument("--schedules", type=int, default=2000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="replay this one and show every tick")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    if chosen.seed is not None:
        return replay(chosen.seed)
    verdicts = sorted(many(chosen.first, chosen.schedules, chosen.jobs), key=lambda each: each.seed)
    print(*table(verdicts), sep="\n")
    for left_out in EXCLUDED:
        count = sum(left_out.covers(schedule(v.seed), b.invariant) for v in verdicts for b in v.excluded)
        print(f"not held to {left_out.invariant}: {left_out.kind} ({count} schedules): {left_out.reason}")
    failed = [each for each in verdicts if each.breaches]
    for each in failed:
        for breach in each.breaches:
            print(f"seed {each.seed}: {each.kind}: {breach.invariant} at tick {breach.tick}: {breach.text}")
    if failed:
        print(f"{len(failed)} of {len(verdicts)} schedules breach an invariant. To replay one:")
        print(f"  .venv/bin/python -m tests.twin --seed {failed[0].seed}")
    return 1 if failed else 0


def many(first: int, count: int, jobs: int) -> Iterator[Verdict]:
    """The verdicts as they come, with a progress bar on stderr."""
    seeds = range(first, first + count)
    chunks = [seeds[at : at + FAULTS_PER_LOAD] for at in range(0, count, FAULTS_PER_LOAD)]
    done = 0
    with ProcessPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(judged_all, chunk) for chunk in chunks]):
            found = future.result()
            done += len(found)
            bar = "#" * (40 * done // count)
            print(f"\rtwin [{bar:40}] {done}/{count}", end="", file=sys.stderr, flush=True)
            yield from found
    print(file=sys.stderr)


def replay(seed: int) -> int:
    """Both twins side by side."""
    pair, verdict = played(seed), judged(seed)
    of = pair.schedule
    print(of.load, *(each.describe() for each in of.faults), sep="\n")
    print(
        f"{'':2}{'tick':>5}{'clean':>6}{'faulted':>8}{'level':>16}{'volatility':>14}{'cover':>6}  means, first reason"
    )
    for tick in range(of.start - 2, len(pair.faulted)):
        print(_row(tick, any(each.on(tick) for each in of.faults), pair.clean[tick], pair.faulted[tick]))
    for breach in verdict.breaches:
        print(f"{breach.invariant} at tick {breach.tick}: {breach.text}")
    for breach in verdict.excluded:
        print(f"excluded: {breach.invariant} at tick {breach.tick}: {breach.text}")
    return 1 if verdict.breaches else 0


def _row(tick: int, on: bool, clean: Moment | None, faulted: Moment | None) -> str:
    if clean is None or faulted is None:
        return f"{'!' if on else '':2}{tick:>5}  no decision"
    ours, theirs = clean.state.filters, faulted.state.filters
    readings = getattr(faulted.demand, "readings", ())
    judged_as = " ".join(
        f"{each.pod}:{each.verdict}" for each in readings if each.verdict not in ("Counted", "Starting")
    )
    tokens = "/".join(f"{value:.4g}" for value in means(theirs.tokens))
    return (
        f"{'!' if on else '':2}{tick:>5}{clean.desired:>6}{faulted.desired:>8}"
        f"{ours.level or 0:>8.3f}{theirs.level or 0:>8.3f}{ours.volatility or 0:>7.3f}{theirs.volatility or 0:>7.3f}"
        f"{faulted.demand.coverage:>6.2f}  {tokens} {faulted.plan.replica_reasons[0].rule} {judged_as}"
    )


if __name__ == "__main__":
    sys.exit(main())
