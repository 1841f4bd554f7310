"""CPU and memory of a process and all that it started, from /proc."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Use:
    """What a tree of processes has used so far."""

    cpu_seconds: float
    resident_bytes: int  # the sum over the processes; a page that two share counts twice
    processes: int


def use(root: int) -> Use:
    """Of a process and its descendants. Those that ended count with their parent once that has waited for them."""
    alive = _tree(root).values()
    ticks = sum(int(each) for fields in alive for each in fields[11:15])  # user, system, and of children waited for
    pages = sum(int(fields[21]) for fields in alive)
    return Use(ticks / TICKS, pages * os.sysconf("SC_PAGE_SIZE"), len(alive))


def proportional_bytes(root: int) -> int:
    """Memory in use, where each of n processes that share a page has an nth of it."""
    kilobytes = 0
    for pid in _tree(root):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return 1024 * kilobytes


def _tree(root: int) -> dict[int, list[str]]:
    """The fields of /proc/PID/stat of a process and its descendants, from the state on, which is the third."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    found = {pid: fields for pid in pids if (fields := _fields(pid))}
    tree, before = {root}, set[int]()
    while tree != before:
        before, tree = tree, tree | {pid for pid, fields in found.items() if int(fields[1]) in tree}
    return {pid: found[pid] for pid in tree if pid in found}


def _fields(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has gone
        return []
