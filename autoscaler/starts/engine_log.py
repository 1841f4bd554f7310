"""The parts of a warm-up, from the log of vLLM: it serves no metrics before it is up.

Each line has its time before it, as the kubelet adds it on request. The messages are those of vLLM 0.10 to 0.32. A log without
them, or with times that are not in order, says nothing: the warm-up is known as a whole then.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from autoscaler.kube.objects import seconds
from policies.seen import FUTURE_SECONDS, PodSeen
from policies.starts import Part, Span

MOST_BYTES = 1 << 20  # of the log's beginning: a start writes 20 to 100 kB
LINE_LIMIT = 1000  # characters of a line that are looked at
_BEGINS = re.compile(r"Starting to load model|Loading model weights|Loading weights with")
_LOADED = re.compile(r"Loading weights took|Model loading took")
_COMPILED = re.compile(r"torch\.compile (?:and initial profiling run )?(?:took|takes) ([0-9.]{1,12}) s")
_HIT = re.compile(r"Directly load the compiled graph")
_MISS = re.compile(r"Compiling a graph for")
_ENGINE = re.compile(r"init engine \(.{1,80}\) took")
_NANOSECONDS = re.compile(r"(\.[0-9]{6})[0-9]+")  # Python reads microseconds


def warmup_parts(log: str, pod: PodSeen) -> tuple[Span, ...]:
    """Process, load, compile, graphs and probe of a pod that serves; nothing where the log does not show each of them in order."""
    started, ready = pod.started_seconds, pod.ready_seconds
    if started is None or ready is None or pod.restarts:
        return ()
    begins = loaded = up = None
    compiled: tuple[float, float] | None = None
    hit = miss = False
    for at, text in _lines(log):
        hit, miss = hit or bool(_HIT.search(text)), miss or bool(_MISS.search(text))
        if begins is None and _BEGINS.search(text):
            begins = at
        elif _LOADED.search(text):
            loaded = at
        elif found := _COMPILED.search(text):
            compiled = at - _number(found[1]), at
        elif _ENGINE.search(text):
            up = at
    if begins is None or loaded is None or up is None:
        return ()
    spans = [Span(Part.PROCESS, started, begins), Span(Part.LOAD, begins, loaded)]
    rest = loaded
    if compiled is not None:
        spans.append(Span(Part.COMPILE, *compiled, "miss" if miss else "hit" if hit else ""))
        rest = compiled[1]
    spans += [Span(Part.GRAPHS, rest, up), Span(Part.PROBE, up, ready)]
    order = [started, begins, loaded, rest, up, ready]
    possible = all(before <= after + FUTURE_SECONDS for before, after in pairwise(order))
    return tuple(spans) if possible and (compiled is None or compiled[0] >= started) else ()


def _lines(log: str) -> Iterator[tuple[float, str]]:
    for line in log.splitlines():
        stamp, _, text = line[:LINE_LIMIT].partition(" ")
        at = seconds(_NANOSECONDS.sub(r"\1", stamp))
        if at is not None:
            yield at, text


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
