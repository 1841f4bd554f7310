"""docs/benchmark.md from the figures."""

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.decisions import actuators, learning
from benchmarks.decisions.cases import COLD_STARTS, LONG, MAIN, OWN, SMALL, Case
from benchmarks.decisions.figures import Figures, Mean, named
from benchmarks.decisions.jobs import OURS, PEERS, Job
from benchmarks.decisions.plan import ALIKE, GOAL, PLAYED, SEEDS, SHARES, points

INTRODUCTION = """\
# What the decisions cost

Written by `make benchmark`: do not edit it. [`benchmark.json`](benchmark.json) has every run.

Public traffic is played through the [simulator](replay.md) by Outrider with its default settings, by its peers with their main
setting swept, and by a clairvoyant that knows the traffic to come. The workload is an 8B model on H100s (`8b-h100`); its SLO
is that 99% of the requests wait at most 5 s. Replicas start in 240 s at the median (node 120 s, image 15 s, weights 45 s,
warm-up 60 s, each log-normal with a sigma of 0.25), one stage after the other, or as slowly as the profile says (460 s). The
days of a trace before its window are history for all. Figures are means over {seeds} seeds where several were played.

The clairvoyant's cost is the least that was found for 99%, so an upper bound of the optimum; *cost* is GPU-hours as a multiple
of it. It is searched for, and the settings of the peers are picked, with the first seed: over all seeds a peer may attain
slightly less than 99%.
"""


def page(figures: Figures, failures: Sequence[str]) -> str:
    """The whole page."""
    sections = (_goals, _traffic, _long, _beside, _steps, _frontiers, _small, _wrong, _actuators, _learning, _late)
    parts = [INTRODUCTION.format(seeds=len(SEEDS)), *("\n".join(section(figures)) + "\n" for section in sections)]
    if failures:
        parts.append("## Runs that failed\n\n" + "\n".join(f"- {each}" for each in failures) + "\n")
    return "\n".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A Markdown table, its first column text and the others figures."""
    yield "| " + " | ".join(head) + " |"
    yield "|---" + "|--:" * (len(head) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _goals(figures: Figures) -> Iterator[str]:
    yield "## Goals\n"
    marks = {True: "met", False: "**missed**", None: "not known"}
    yield from table(
        ("figure", "goal", "value", ""),
        ((each.name, each.goal, each.value, marks[each.met]) for each in figures.goals()),
    )


def _traffic(figures: Figures) -> Iterator[str]:
    yield "## What is played\n"
    rows = []
    for traffic in PLAYED:
        result = figures.known.get(Job(Case(traffic.name), OURS.key))
        if result:
            hours = len(result.hourly_gpu_hours)
            fleet = result.serving_hours / hours
            rows.append((traffic.name, f"{traffic.start_days:g}", str(hours), f"{result.requests:,}", f"{fleet:.1f}"))
    yield from table(("traffic", "days of history", "hours", "requests", "mean replicas of Outrider"), rows)


def _row(figures: Figures, mean: Mean, traffic: str, cold_start: str) -> tuple[str, str, str, str]:
    return (
        f"{mean.within_1s:.2%}",
        f"{mean.within_5s:.2%}",
        f"{mean.gpu_hours:,.1f}",
        number(figures.ratio(mean, traffic, cold_start)),
    )


def _long(figures: Figures) -> Iterator[str]:
    yield "## Every traffic\n"
    yield "Peers with a knob are tuned for each traffic: the cheapest setting that was played and attains 99%."
    for cold_start in (MAIN, OWN):
        yield f"\n### Cold start of {cold_start if COLD_STARTS[cold_start] else 'the profile, 460 s'}\n"
        yield from table(
            ("traffic and contender", "within 1 s", "within 5 s", "GPU-hours", "cost"), rows(figures, cold_start)
        )


def rows(figures: Figures, cold_start: str) -> Iterator[tuple[str, str, str, str, str]]:
    """Each contender on each traffic that it was played on."""
    for traffic in PLAYED:
        name = traffic.name
        if ours := figures.ours(name, cold_start):
            yield f"**{name}**, Outrider", *_row(figures, ours, name, cold_start)
        if then := figures.then(name, cold_start):
            yield "Outrider at 9ad64fc", *_row(figures, then, name, cold_start)
        for key, entry in PEERS.items():
            played = figures.tuned(key, name, cold_start) if entry.knob else figures.mean(key, None, name, cold_start)
            if played:
                yield named(key, played.value), *_row(figures, played, name, cold_start)
            elif points(Case(name, cold_start), key, figures.known):
                yield f"{entry.name}: no setting attains 99%", "-", "-", "-", "-"
        if least := figures.clairvoyant(name, cold_start):
            beside = "" if least.gpu_hours_at_999 is None else f" ({least.gpu_hours_at_999:,.1f} for 99.9%)"
            hours = f"{least.gpu_hours:,.1f}{beside}"
            yield "clairvoyant", f"{least.within_1s:.2%}", f"{least.within_5s:.2%}", hours, "1"


def _beside(figures: Figures) -> Iterator[str]:
    yield "## One setting for all\n"
    yield "Of each peer the cheapest setting that attains 99% on each of the four long traces; Outrider with its defaults.\n"
    rows = [("Outrider", *(_short(figures, figures.ours(traffic.name), traffic.name) for traffic in LONG))]
    for key, entry in PEERS.items():
        one = figures.one_setting(key)
        if one is None:
            rows.append((f"{entry.name}: no setting does", *("-" for _ in LONG)))
        else:
            means = (figures.mean(key, one.value, traffic.name) for traffic in LONG)
            shown = (_short(figures, mean, traffic.name) for mean, traffic in zip(means, LONG, strict=True))
            rows.append((named(key, one.value), *shown))
    yield from table(("contender", *(traffic.name for traffic in LONG)), rows)


def _short(figures: Figures, mean: Mean | None, traffic: str) -> str:
    if mean is None:
        return "-"
    ratio = figures.ratio(mean, traffic)
    return f"{mean.within_5s:.2%} for {f'{mean.gpu_hours:,.1f} h' if ratio is None else f'{ratio:.3f}'}"


def _steps(figures: Figures) -> Iterator[str]:
    yield "## What each step of slo.attainment costs\n"
    yield "GPU-hours beside those of 99%, and the share of requests within 5 s.\n"
    rows = []
    for share in sorted((*SHARES, GOAL)):
        cells = []
        for traffic in LONG:
            own = figures.known.get(Job(Case(traffic.name), OURS.key))
            run = own if share == GOAL else figures.known.get(Job(Case(traffic.name), OURS.key, share))
            cells.append(f"{run.gpu_hours / own.gpu_hours:.3f}, {run.within_5s:.2%}" if own and run else "-")
        rows.append((f"{share:.1%}", *cells))
    yield from table(("slo.attainment", *(traffic.name for traffic in LONG)), rows)


def _frontiers(figures: Figures) -> Iterator[str]:
    yield "## Frontiers\n"
    yield "Each setting that was played with the first seed and a cold start of 240 s: share within 5 s and cost.\n"
    yield "![The frontier of each contender on the long traces](benchmark.svg)"
    for traffic in LONG:
        yield f"\n### {traffic.name}\n"
        rows = []
        for key in (OURS.key, *PEERS):
            entry = OURS if key == OURS.key else PEERS[key]
            name = "slo.attainment" if key == OURS.key else entry.knob.name if entry.knob else ""
            for each in points(Case(traffic.name), key, figures.known):
                value = "as it comes" if each.value is None else f"{name} {each.value:g}"
                rows.append((f"{entry.name}, {value}", f"{each.attainment:.2%}", f"{each.cost:.3f}"))
        yield from table(("contender and setting", "within 5 s", "cost"), rows)


def _small(figures: Figures) -> Iterator[str]:
    yield "## One replica's load\n"
    yield "Beside the cheapest peer that attains as much.\n"
    rows = []
    for traffic in SMALL:
        ours = figures.ours(traffic.name)
        peer = ours and figures.cheapest_peer(traffic.name, ours.within_5s - ALIKE)
        theirs = (
            (named(peer[0], peer[1].value), f"{peer[1].gpu_hours:.2f}", f"{peer[1].within_5s:.2%}")
            if peer
            else ("-",) * 3
        )
        if ours:
            ratio = number(ours.gpu_hours / peer[1].gpu_hours) if peer else "-"
            rows.append((traffic.name, f"{ours.gpu_hours:.2f}", f"{ours.within_5s:.2%}", *theirs, ratio))
    yield from table(("traffic", "Outrider, GPU-hours", "within 5 s", "peer", "GPU-hours", "within 5 s", "ratio"), rows)


def _wrong(figures: Figures) -> Iterator[str]:
    yield "## A profile that is wrong\n"
    yield (
        "The policy takes the engine for this many times as fast as it is. Cost is that of the second day beside the right "
        "profile's.\n"
    )
    rows = (
        (
            row["traffic"],
            f"x{row['engine_factor']:g}",
            f"{row['cost']:.3f}",
            f"{row['first_day']:.2%}",
            f"{row['second_day']:.2%}",
        )
        for row in figures.wrong_profiles()
    )
    yield from table(("traffic", "engine", "cost", "within 5 s, first day", "second day"), rows)


def _actuators(_figures: Figures) -> Iterator[str]:
    yield "## What each actuator is worth\n"
    yield (
        "GPU-hours on two hours of traffic (azure 2023 and mooncake: one), and in brackets their change from no actuator. *Default* "
        "is Outrider as it comes, with its share within 5 s. The other columns are at equal attainment: at 99% of the requests within "
        "5 s, or at what Outrider attains at its dearest setting where that is less, between two settings by interpolation. "
        "Every contender has the same actuators: down a column they are credited, across a row the algorithm. Cold starts are those "
        "of the profile. *Image pre-pull* and *weights prefetch* begin when the node registers; a replica on a node without them waits"
        " for the GPU, then for the image, then for the weights.\n\n"
        "No actuator makes a fleet dearer by itself: where a figure rises, that is the draw of the cold starts and the steps between "
        "settings, and a saving of that size means nothing. `make benchmark BENCHMARK=--actuators` plays this table alone."
    )
    known = actuators.stored()
    head = ("traffic, within 5 s", "actuators", "default", "Outrider", actuators.PEER.name, "clairvoyant")
    for profile in actuators.PLAYED:
        yield f"\n### {profile}\n"
        yield from table(head, actuators.rows(known, profile))


def _learning(_figures: Figures) -> Iterator[str]:
    yield "## What learning cold starts is worth\n"
    yield (
        "Outrider on the same traffic without actuators. It decides with the cold start that is stated, or learns from the starts that"
        " it sees, beginning with that one. Stated are the true times, half of them, or twice; changes are from the true times as"
        " stated. *Default* and *equal* are as above. `make benchmark BENCHMARK=--learning` plays this table alone."
    )
    known = learning.stored()
    for profile in actuators.PLAYED:
        yield f"\n### Learning, {profile}\n"
        yield from table(
            ("traffic, within 5 s", "stated", "decides by", "default", "equal"), learning.rows(known, profile)
        )


def _late(figures: Figures) -> Iterator[str]:
    yield "## Where the late requests and the GPU-hours are\n"
    yield (
        "Outrider with the first seed and a cold start of 240 s. *Minutes* is the fewest minutes in which nine of ten late requests "
        "arrived; *starting* is the share of those that waited over 1 s for which a replica was starting meanwhile.\n"
    )
    rows = []
    for traffic in PLAYED:
        run = figures.known.get(Job(Case(traffic.name), OURS.key))
        if run:
            late, slow = sum(run.hourly_late), run.requests * (1.0 - run.within_1s)
            rest = run.gpu_hours - run.serving_hours - run.starting_hours
            rows.append(
                (
                    traffic.name,
                    f"{late:,}",
                    str(run.late_minutes),
                    f"{run.late_while_starting / slow:.0%}" if slow >= 1 else "-",
                    f"{run.serving_hours:,.1f}",
                    f"{run.starting_hours:,.1f}",
                    f"{rest:,.1f}",
                    str(run.replicas_started),
                )
            )
    head = (
        "traffic",
        "late requests",
        "minutes",
        "starting",
        "GPU-hours serving",
        "starting",
        "draining and empty",
        "replicas started",
    )
    yield from table(head, rows)


def number(value: float | None) -> str:
    """A ratio."""
    return "-" if value is None else f"{value:.3f}"
