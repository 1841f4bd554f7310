"""`outrider coldstart`: from the starts in a log to bars, figures, and what would shorten a start."""

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from autoscaler.cli import app
from autoscaler.records.coldstarts.analysis import Analysis
from autoscaler.records.coldstarts.changes import HIT_SHARE, changes
from autoscaler.records.coldstarts.collect import Collection
from autoscaler.records.coldstarts.overlap import pieces
from autoscaler.records.coldstarts.page import show
from autoscaler.records.coldstarts.stages import stage_times
from autoscaler.records.coldstarts.summary import Summary, Times
from autoscaler.records.selection import Selection
from autoscaler.records.writer import Recorder
from policies.ladder import CONTENTION, lead_quantile_seconds
from policies.log import header_line, start_line
from policies.starts import Part, Span, Start, hidden_seconds
from policies.supply import ColdStart, Stage, StageName
from tests.autoscaler.records.logs import write_log
from tests.support.pages import ROOT
from tests.support.starts import LEARNED, PRIOR, a_start, write_day
from tests.support.worlds import START

DOCS = ROOT / "docs"


def coldstart(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["coldstart", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hours with six starts."""
    folder = tmp_path_factory.mktemp("day")
    write_day(folder, hours=3.0, starts=6)
    return folder


def document(*arguments: object) -> Any:
    done = coldstart(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def starts_log(folder: Path, *starts: Start) -> Path:
    """A log of starts alone."""
    file = folder / "decisions-1.jsonl"
    lines = [header_line("x"), *(start_line("chat/qwen", start, PRIOR) for start in starts)]
    file.write_text("\n".join(lines) + "\n")
    return file


def of_spans(*spans: Span) -> Start:
    return Start("qwen-1", "node-1", 0.0, max(span.end_seconds for span in spans), spans)


# ---------------------------------------------------------------- what was hidden by what


def test_the_part_that_ends_last_hides_the_others() -> None:
    start = of_spans(
        Span(Part.GPU, 0, 40), Span(Part.IMAGE, 0, 100), Span(Part.WEIGHTS, 30, 60), Span(Part.PROCESS, 100, 130)
    )
    hid = [(piece.span.part, piece.behind, piece.seconds) for piece in pieces(start) if piece.behind]
    assert hid == [
        (Part.GPU, Part.IMAGE, 30),
        (Part.GPU, Part.IMAGE, 10),
        (Part.WEIGHTS, Part.IMAGE, 10),
        (Part.WEIGHTS, Part.IMAGE, 20),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_what_is_hidden_adds_up_to_what_the_core_counts(seed: int) -> None:
    chance = Random(seed)
    spans = [Span(part, begin := chance.uniform(0, 100), begin + chance.choice([0.0, 5.0, 80.0])) for part in Part]
    start = of_spans(*spans)
    assert sum(piece.seconds for piece in pieces(start) if piece.behind) == pytest.approx(hidden_seconds(start))
    assert sum(piece.seconds for piece in pieces(start)) == pytest.approx(sum(span.seconds for span in spans))


# ---------------------------------------------------------------- stages


def test_a_stage_that_was_there_already_is_not_measured() -> None:
    """One start on a new node, one on a node that was there, with the image."""
    chance = Random(1)
    starts = [a_start(chance), a_start(chance, node_exists=True, present=True)]
    node, gpu, image, *_ = stage_times(starts, LEARNED, PRIOR)
    first = {span.part: span.seconds for span in starts[0].spans}
    assert (node.passed, node.there) == (image.passed, image.there) == (1, 1)
    assert node.measured == Times(*[first[Part.REACTION] + first[Part.NODE]] * 2)
    assert image.measured == Times(first[Part.IMAGE], first[Part.IMAGE])
    assert (gpu.passed, gpu.there) == (1, 0)
    assert (image.expected, image.prior) == (LEARNED.image, PRIOR.image)


def test_a_stage_that_does_not_exist_has_no_row() -> None:
    streamed = replace(LEARNED, weights=None)
    assert StageName.WEIGHTS not in [each.stage for each in stage_times([], streamed, None)]


def test_hits_and_misses_of_the_compile_cache_are_apart() -> None:
    chance = Random(1)
    starts = [a_start(chance, hit=hit) for hit in (True, False, False)]
    warmup = stage_times(starts, None, None)[-1]
    assert [(each.part, each.path, each.starts) for each in warmup.parts if each.part is Part.COMPILE] == [
        (Part.COMPILE, "hit", 1),
        (Part.COMPILE, "miss", 2),
    ]
    assert warmup.passed == 3


def test_quantiles_are_values_that_were_measured() -> None:
    assert Times.of([]) is None
    assert Times.of([3.0, 1.0, 2.0]) == Times(2.0, 3.0)
    assert Times.of(map(float, range(1, 101))) == Times(50.0, 95.0)


def test_a_start_that_never_served_counts_apart() -> None:
    chance = Random(1)
    served, failed = a_start(chance), a_start(chance, serves=False)
    summary = Summary.of([served, failed])
    assert (summary.served, summary.failed) == (1, 1)
    assert summary.times is not None
    assert summary.times.p50_seconds == (served.serving_seconds or 0.0) - served.requested_seconds
    assert Summary.of([failed]).text == "0 starts served, 1 never did."


def test_what_no_stage_explains_is_counted() -> None:
    """10 s before the image, and 5 s after it; the parts that pass together count once."""
    start = Start("a", "b", 0.0, 115.0, (Span(Part.IMAGE, 10, 110), Span(Part.WEIGHTS, 20, 60)))
    assert Summary.of([start]).unseen_seconds == pytest.approx(15.0)
    assert Summary.of([start]).hidden_seconds == pytest.approx(40.0)


def test_of_starts_whose_stages_were_not_seen_nothing_is_said_to_have_waited(tmp_path: Path) -> None:
    starts_log(tmp_path, Start("qwen-1", "node-1", START, START + 300.0, ()))
    shown = coldstart(tmp_path).stdout
    assert "Unknown, since no stage was seen." in shown
    assert "each stage waited" not in shown


def test_what_passed_before_the_request_explains_nothing_of_the_start() -> None:
    """The image was being pulled for another pod."""
    start = Start("a", "b", 100.0, 150.0, (Span(Part.IMAGE, 20, 120, "pulled"), Span(Part.WARMUP, 130, 150)))
    assert Summary.of([start]).unseen_seconds == pytest.approx(10.0)


# ---------------------------------------------------------------- what would shorten a start


def saved(cold_start: ColdStart, *starts: Start) -> dict[str, float | None]:
    """Seconds at the median that each change saves."""
    now = lead_quantile_seconds(cold_start, (), 0.0)
    return {
        each.name: None if each.cut is None else now - lead_quantile_seconds(each.cut(cold_start), (), 0.0)
        for each in changes(cold_start, starts)
    }


def fixed(seconds: float) -> Stage:
    return Stage(seconds, seconds)


def test_seconds_are_those_of_the_ladder() -> None:
    """Of stages that never vary, sums and maxima are plain arithmetic."""
    cold_start = ColdStart(node=fixed(60), gpu=fixed(40), image=fixed(200), weights=fixed(50), warmup=fixed(150))
    found = saved(cold_start, of_spans(Span(Part.COMPILE, 0, 50, "miss"), Span(Part.PROBE, 50, 58)))
    assert found == {
        "image_on_node": pytest.approx(200),
        "image_ahead": pytest.approx(40, abs=1),  # the GPU's 40 s pass meanwhile
        "weights_on_node": pytest.approx(50),
        "weights_ahead": pytest.approx(50, abs=1),  # behind the GPU and the image
        "compile_cache": pytest.approx(50 * (1 - HIT_SHARE)),
        "faster_probe": pytest.approx(7),
        "all": pytest.approx(200 + 50 + 28 + 7),
    }


def test_what_goes_ahead_already_is_not_advised_and_what_is_hidden_saves_little() -> None:
    """Weights behind the image: without them, only the contention goes."""
    cold_start = ColdStart(
        node=fixed(60),
        gpu=fixed(40),
        image=fixed(200),
        weights=fixed(50),
        warmup=fixed(150),
        ahead=(StageName.IMAGE, StageName.WEIGHTS),
    )
    found = saved(cold_start)
    assert "image_ahead" not in found
    assert "weights_ahead" not in found
    assert found["weights_on_node"] == pytest.approx(200 * (CONTENTION - 1), abs=2)


def test_what_was_not_seen_is_unknown_and_what_cannot_be_saved_is_zero() -> None:
    chance = Random(1)
    unseen = saved(LEARNED, a_start(chance, split=False))
    assert unseen["compile_cache"] is unseen["faster_probe"] is None
    assert saved(LEARNED, a_start(chance, hit=True))["compile_cache"] == 0.0
    streamed = replace(LEARNED, image=None, weights=None)
    assert saved(streamed, a_start(chance)).keys() == {"compile_cache", "faster_probe", "all"}


def test_a_mixture_of_hits_and_misses_saves_by_the_share_that_missed() -> None:
    starts = [
        of_spans(Span(Part.COMPILE, 0, took, path))
        for took, path in ((20, "hit"), (50, "miss"), (50, "miss"), (50, "miss"))
    ]
    assert saved(LEARNED, *starts)["compile_cache"] == pytest.approx(0.75 * 30, abs=1.0)


def test_a_shorter_lead_saves_gpu_hours_and_late_requests(day: Path) -> None:
    (policy,) = document(day)["policies"]
    found = {each["change"]: each for each in policy["savings"]["changes"]}
    today = policy["savings"]["replayed"]
    assert today["hours"] == pytest.approx(3.0, abs=0.05)
    assert today["late_requests"] == pytest.approx(today["late_share"] * today["requests"])
    for key in ("saved_seconds", "saved_gpu_hours", "avoided_late_requests"):
        assert found["all"][key] >= found["image_on_node"][key] > found["faster_probe"][key] >= 0.0
    assert found["all"]["saved_gpu_hours"] < today["gpu_hours"]
    assert found["all"]["avoided_late_requests"] <= today["late_requests"]


def test_what_saves_nothing_is_shown_as_zero(tmp_path: Path) -> None:
    """Every compile hit the cache: the same lead gives the same replay."""
    write_day(tmp_path, hours=1.5, starts=0)
    recorder = Recorder(tmp_path)
    recorder.start("chat/qwen", a_start(Random(1), hit=True), START + 5400.0, PRIOR)
    recorder.close()
    (policy,) = document(tmp_path)["policies"]
    (cache,) = (each for each in policy["savings"]["changes"] if each["change"] == "compile_cache")
    assert (cache["saved_seconds"], cache["saved_gpu_hours"], cache["avoided_late_requests"]) == (0.0, 0.0, 0.0)
    assert [
        line.split()[4:] for line in coldstart(tmp_path).stdout.splitlines() if line.startswith("compile cache")
    ] == [["0", "0.0", "0"]]


def test_without_an_hour_of_demand_there_is_no_replay(tmp_path: Path) -> None:
    (policy,) = document(starts_log(tmp_path, a_start(Random(1))))["policies"]
    assert policy["savings"]["replayed"] is None
    assert {each["saved_gpu_hours"] for each in policy["savings"]["changes"]} == {None}
    assert policy["savings"]["p50_seconds"] == pytest.approx(
        lead_quantile_seconds(PRIOR, (), 0.0)
    )  # nothing else is known
    assert "takes an hour or more of known demand" in coldstart(tmp_path).stdout.replace("\n", " ")


# ---------------------------------------------------------------- the page, the drawing, the document


class BytesConsole(StringIO):
    """A file of an encoding. What it does not do: encode."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


def page(folder: Path, width: int, file: StringIO | None = None) -> list[str]:
    collected = Collection()
    for _, record in Selection.of([folder], None, None, None, None).read():
        collected.add(record)
    console = Console(width=width, file=file or StringIO(), color_system=None)
    show(console, [Analysis.of(each) for each in collected.close()], 6)
    written = console.file
    assert isinstance(written, StringIO)
    return written.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_page_fits_the_terminal(day: Path, width: int) -> None:
    lines = page(day, width)
    assert max(len(line.rstrip()) for line in lines) <= min(width, 100)
    assert sum(line.startswith("image ") and "pulled" in line for line in lines) == 5


def test_a_narrow_terminal_loses_no_figure(day: Path) -> None:
    def tables(width: int) -> list[str]:
        names = ("node ", "image  ", "  compile", "baked", "all that")
        return [line.rstrip() for line in page(day, width) if line.startswith(names) and not set("█·") & set(line)]

    assert len(tables(40)) == 6
    assert tables(40) == tables(80)


def test_a_terminal_without_unicode_gets_other_characters(day: Path) -> None:
    lines = page(day, 80, BytesConsole("ascii"))
    assert any("##" in line for line in lines)
    "\n".join(lines).encode("ascii")


def test_the_bars_are_dense_where_a_stage_was_waited_for(tmp_path: Path) -> None:
    begin = START
    starts_log(
        tmp_path,
        Start(
            "qwen-1",
            "node-1",
            begin,
            begin + 100,
            (
                Span(Part.NODE, begin, begin, "existing"),
                Span(Part.IMAGE, begin, begin + 50, "pulled"),
                Span(Part.WEIGHTS, begin, begin + 25),
                Span(Part.WARMUP, begin + 50, begin + 100),
            ),
        ),
    )
    lines = page(tmp_path, 65)
    bars = {
        line[:9].strip(): line[9:49].rstrip()
        for line in lines
        if line[9:10] in "█░· " and line[50:58].strip()[-2:] != ""
    }
    assert bars["node"] == "·"
    assert bars["image"] == "█" * 20
    assert bars["weights"] == "░" * 10
    assert bars["warmup"] == " " * 20 + "█" * 20


def test_the_svg_is_well_formed_and_needs_no_other_file(day: Path, tmp_path: Path) -> None:
    done = coldstart(day, "--svg", tmp_path / "starts.svg", "--starts", 2)
    assert done.exit_code == 0
    text = (tmp_path / "starts.svg").read_text(encoding="utf-8")
    ET.fromstring(text)
    assert text.count(", requested ") == 2
    assert "href" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_the_svg_shows_long_names_whole(tmp_path: Path) -> None:
    starts_log(tmp_path, replace(a_start(Random(1)), pod="chat-" * 16, node="ip-10-0-12-34.us-west-2.compute.internal"))
    coldstart(tmp_path, "--svg", tmp_path / "starts.svg")
    texts = [each.text or "" for each in ET.fromstring((tmp_path / "starts.svg").read_text()).iter()]
    assert max(map(len, texts)) <= 120
    assert any("served after" in text for text in texts)


def test_what_began_before_the_request_is_drawn_from_there(tmp_path: Path) -> None:
    """The image was being pulled for another pod, to a node that took 5 s to be found."""
    early = Span(Part.IMAGE, START - 1000, START + 50, "pulled"), Span(Part.NODE, START, START + 5, "existing")
    starts_log(
        tmp_path, Start("qwen-1", "node-1", START, START + 100, (*early, Span(Part.WARMUP, START + 50, START + 100)))
    )
    coldstart(tmp_path, "--svg", tmp_path / "starts.svg")
    boxes = [
        each.attrib for each in ET.fromstring((tmp_path / "starts.svg").read_text()).iter() if each.get("y") == "95.0"
    ]
    assert [(box["x"], box["width"]) for box in boxes if "width" in box] == [("92.0", "380.0")]
    lines = page(tmp_path, 65)
    assert next(line[49:].split() for line in lines if line.startswith("node ")) == ["5", "s", "existing"]


def test_the_json_has_every_start_that_was_asked_for(day: Path) -> None:
    (policy,) = document(day, "--starts", 100)["policies"]
    assert policy["policy"] == "chat/qwen"
    assert (policy["served"], policy["failed"], len(policy["last"])) == (5, 1, 6)
    assert [each["serving_seconds"] is None for each in policy["last"]] == [False, True, False, False, False, False]
    assert len(document(day)["policies"][0]["last"]) == 3
    hidden = sum(part["hidden_seconds"] for start in policy["last"] for part in start["parts"])
    assert policy["hidden_seconds"] == pytest.approx(hidden / 6)


def test_the_page_of_the_docs_shows_what_is_printed(day: Path, tmp_path: Path) -> None:
    printed = coldstart(day, "--starts", 2, "--svg", tmp_path / "starts.svg").stdout
    shown = "\n".join(line.rstrip() for line in printed.splitlines())
    assert shown in (DOCS / "start-times.md").read_text(encoding="utf-8")
    assert (tmp_path / "starts.svg").read_bytes() == (DOCS / "start-times.svg").read_bytes()


def test_the_page_of_the_docs_names_every_key_of_the_document(day: Path) -> None:
    text = (DOCS / "start-times.md").read_text(encoding="utf-8")

    def keys(data: Any) -> set[str]:
        if isinstance(data, list):
            return {key for item in data for key in keys(item)}
        return {*data, *(key for item in data.values() for key in keys(item))} if isinstance(data, dict) else set()

    assert [key for key in sorted(keys(document(day))) if f"`{key}`" not in text] == []


def test_starts_are_selected_like_decisions(day: Path) -> None:
    assert document(day, "--last", "1h")["policies"][0]["served"] == 2
    assert document(day, "--policy", "chat/qwen", day)["policies"][0]["served"] == 5  # given twice, counted once
    none = coldstart(day, "--policy", "chat/other")
    assert (none.exit_code, none.stderr) == (
        1,
        "outrider coldstart: nothing in the logs matches; try another --policy or time\n",
    )


# ---------------------------------------------------------------- what is missing or damaged


def test_a_log_without_starts_says_what_is_missing(tmp_path: Path) -> None:
    write_log(tmp_path)
    done = coldstart(tmp_path, "--policy", "chat/qwen")
    assert done.exit_code == 1
    assert "no start of a replica" in done.stderr
    assert "What would shorten a start" in done.stdout  # by what is expected
    assert json.loads(coldstart(tmp_path, "--json").stdout)["policies"][0]["last"] == []


def test_an_empty_log_has_no_decision_yet(tmp_path: Path) -> None:
    (tmp_path / "decisions-1.jsonl").write_text(header_line("x") + "\n")
    done = coldstart(tmp_path)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "outrider coldstart: the logs have no decision yet\n"


def test_a_file_that_cannot_be_written_is_named(day: Path, tmp_path: Path) -> None:
    done = coldstart(day, "--svg", tmp_path / "none" / "a.svg")
    assert done.exit_code == 2
    assert done.stderr.endswith("a.svg cannot be written: No such file or directory\n")


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda line: line["start"].update(spans=line["start"]["spans"] * 20), "200 parts, more than 64"),
        (lambda line: line["start"].update(requested_seconds=1e300), "out of range"),
        (lambda line: line["start"].update(serving_seconds=-1e300), "more than a week apart"),
        (lambda line: line["start"].update(pod="\x1b[2J"), "cannot be printed"),
        (lambda line: line["start"]["spans"][0].update(path="\x07"), "cannot be printed"),
        (lambda line: line["start"]["spans"][0].update(part="teleport"), "'teleport'"),
        (lambda line: line.pop("start"), "it has no 'start'"),
        (lambda line: line.update(name=7), "line 2"),
        (lambda line: line.update(prior=7), "line 2"),
        (lambda line: line["prior"]["image"].update(p50_seconds=0.0), "from 1 ms to a week"),
        (lambda line: line["prior"]["node"].update(p95_seconds=1e200), "from 1 ms to a week"),
    ],
)
def test_a_damaged_start_is_refused_with_its_line(tmp_path: Path, change: Change, why: str) -> None:
    file = starts_log(tmp_path, a_start(Random(1)))
    head, text = file.read_text().splitlines()
    line = json.loads(text)
    change(line)
    file.write_text("\n".join([head, json.dumps(line)]) + "\n")
    for command in ("coldstart", "report"):
        done = CliRunner().invoke(app, [command, str(tmp_path)])
        assert done.exit_code == 2, done.output
        assert "line 2" in done.stderr
        assert why in done.stderr
        assert "Error(" not in done.stderr


def test_a_decision_that_nothing_can_be_computed_from_is_refused(day: Path, tmp_path: Path) -> None:
    (file,) = day.glob("*.jsonl")
    damaged = tmp_path / file.name
    damaged.write_text(file.read_text().replace('"attainment":0.99', '"attainment":1.0'))
    done = coldstart(damaged)
    assert done.exit_code == 2
    assert "values from which no savings can be computed" in done.stderr


def test_the_report_names_the_starts_in_one_line(day: Path) -> None:
    found = CliRunner().invoke(app, ["report", str(day)])
    (line,) = (line for line in found.stdout.splitlines() if line.startswith("Cold starts"))
    assert "5 starts served, 1 never did" in line
    done = json.loads(CliRunner().invoke(app, ["report", str(day), "--json"]).stdout)
    assert done["policies"][0]["cold_starts"]["failed"] == 1
