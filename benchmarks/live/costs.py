"""What one more scrape and one more policy cost: `python -m benchmarks.live.costs`. About 4 min.

Three points that differ in one thing each: how often pods are scraped, and how many policies share them. From them follows what
docs/scale.md reckons with. Options are those of `benchmarks.live` for --source and what follows `--`.
"""

import argparse
import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.live.keda import POLL_SECONDS, SYNC_SECONDS
from benchmarks.live.measure import ROOT, Measured, Point, measure

BUSY = Point(policies=200, pods=1000)
SELDOM = replace(BUSY, interval_seconds=10.0)
FEW = replace(SELDOM, policies=20)


def main() -> None:
    ours, options = sys.argv[1:], list[str]()
    if "--" in ours:
        ours, options = ours[: ours.index("--")], ours[ours.index("--") + 1 :]
    parser = argparse.ArgumentParser(prog="benchmarks.live.costs", description="What one more scrape and policy cost.")
    parser.add_argument("--source", type=Path, default=ROOT, help="folder of the Outrider to measure")
    given = parser.parse_args(ours)

    def at(point: Point) -> Measured:
        return asyncio.run(measure(replace(point, source=given.source.resolve(), options=tuple(options))))

    busy, seldom, few = at(BUSY), at(SELDOM), at(FEW)
    scrape = (busy.cores - seldom.cores) / (busy.scrapes_got - seldom.scrapes_got)
    policy = (seldom.cores - few.cores) / (seldom.policies - few.policies)
    calls = 3.0 * (1.0 / POLL_SECONDS + 1.0 / SYNC_SECONDS)
    rest = few.cores - scrape * few.scrapes_got - policy * few.policies
    print(f"a scrape: {scrape * 1000:.2f} ms of CPU")
    print(
        f"a policy: {policy * 1000:.2f} ms a second, with {calls:g} calls of KEDA, a decision each 15 s and its status"
    )
    print(f"the rest, with {few.policies} policies: {rest:.2f} cores")
    print(
        f"memory with {few.policies} and with {busy.policies} policies: {few.resident_mb:.0f} and {busy.resident_mb:.0f} MB"
    )


if __name__ == "__main__":
    main()
