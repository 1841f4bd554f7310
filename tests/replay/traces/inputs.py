"""Files as people have them, whole and broken. What each gives, a summary of its trace or one sentence, is in inputs.txt.

`python -m tests.replay.traces.inputs` prints them as a table, with time and memory of each in a process of its own.
"""

import bz2
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from crds.resolve.problems import printable
from replay.traces.read import read
from replay.traces.recorded import RequestTrace
from replay.traces.trace import UNDATED_EPOCH_SECONDS, Trace, TraceError

Content = str | bytes | Path | Callable[[Path], object]


@dataclass(frozen=True)
class Input:
    """A file, and how it is read."""

    name: str
    content: Content
    columns: dict[str, str] | None = None
    time_unit: str | None = None
    about: str = ""

    def make(self, folder: Path, shared: Path) -> None:
        """Write the file; a path is one of the shared files."""
        path = folder / self.name
        if callable(self.content):
            self.content(path)
        elif isinstance(self.content, Path):
            path.write_bytes((shared / self.content).read_bytes())
        else:
            path.write_bytes(self.content if isinstance(self.content, bytes) else self.content.encode())

    def read(self) -> str:
        """What the file in this folder gives."""
        try:
            return summary(read(Path(self.name), columns=self.columns, time_unit=self.time_unit))
        except TraceError as error:
            return str(error)


def summary(trace: Trace) -> str:
    """A trace in a few numbers."""
    start = "" if trace.epoch_seconds == UNDATED_EPOCH_SECONDS else f" from {_date(trace.epoch_seconds)}"
    failed = f", {trace.failed_requests} failed" if trace.failed_requests else ""
    if isinstance(trace, RequestTrace):
        requests = trace.requests
        tokens = f"{requests.prompt_tokens.sum()} + {requests.output_tokens.sum()} tokens"
        times = ", ".join(f"{second:g}" for second in requests.arrival_s[:4])
        return f"{len(requests)} requests at {times}{' ...' if len(requests) > 4 else ''} s{start}, {tokens}{failed}"
    requests_ = trace.count(0.0, trace.duration_seconds)
    return f"{requests_:g} requests in bins over {trace.duration_seconds:g} s{start}"


def _date(epoch_seconds: float) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).isoformat(" ", "milliseconds").removesuffix("+00:00")


def table(**columns: object) -> Callable[[Path], object]:
    """A Parquet file of these columns."""
    return lambda path: pq.write_table(pa.table(columns), path)


def rows(*lines: object, header: str = "arrival_s,prompt_tokens,output_tokens") -> str:
    """A CSV file."""
    return "\n".join([header, *map(str, lines)]) + "\n"


def members(path: Path, first: str, again: str, count: int) -> None:
    """A gzip file whose second member is repeated, so that it is made in no time however much it unpacks to."""
    again_ = gzip.compress(again.encode(), 6)
    with path.open("wb") as file:
        file.write(gzip.compress(first.encode()))
        for _ in range(count):
            file.write(again_)


HEADER = "arrival_s,prompt_tokens,output_tokens\n"
TOKENS = {"prompt_tokens": [1, 2], "output_tokens": [3, 4]}
MIB = 1 << 20


def line(**values: object) -> str:
    """A line of JSON."""
    return json.dumps(values) + "\n"


def moon(*times: object) -> str:
    """JSON lines as Mooncake publishes them."""
    return "".join(line(timestamp=time, input_length=5, output_length=2) for time in times)


INPUTS = [
    # ---------------------------------------------------------------- formats
    Input("ours.csv", rows("0.5,10,3", "2.5,20,4")),
    Input("unsorted.csv", rows("9,1,2", "0.5,10,3", "2.5,20,4"), about="times out of order"),
    Input("same.csv", rows("1,1,2", "1,1,2", "1,1,2"), about="the same row three times"),
    Input("ours.csv.gz", gzip.compress(rows("0.5,10,3", "2.5,20,4").encode())),
    Input("ours.csv.bz2", bz2.compress(rows("0.5,10,3").encode())),
    Input("ours.csv.zst", pa.compress(rows("0.5,10,3").encode(), "zstd", asbytes=True)),
    Input("semicolons.csv", rows("0.5;10;3", header="arrival_s;prompt_tokens;output_tokens")),
    Input("tabs.tsv", rows("0.5\t10\t3", header="arrival_s\tprompt_tokens\toutput_tokens")),
    Input("excel.csv", "\ufeffarrival_s, prompt_tokens, output_tokens,\r\n1, 2, 3,\r\n\r\n", about="BOM, blanks, CRLF"),
    Input(
        "quoted.csv",
        rows('1,"a, ""b""\nc",2,3', header="arrival_s,text,prompt_tokens,output_tokens"),
        about="a line end in quotes",
    ),
    Input(
        "openai.jsonl",
        line(created=1750000000, prompt_tokens=5, completion_tokens=2)
        + line(created=1750000003, prompt_tokens=5, completion_tokens=2),
    ),
    Input(
        "answers.jsonl",
        line(created=1750000000, choices=[{}], usage={"prompt_tokens": 5, "completion_tokens": 2})
        + line(created=1750000003, usage={"prompt_tokens": 5, "details": {"a": 1}, "completion_tokens": 2})
        + line(created=1750000004, usage={"prompt_tokens": 5}),
        about="OpenAI's answers, with tokens in usage",
    ),
    Input("numbers-as-text.jsonl", line(arrival_s="0.5", prompt_tokens="5", output_tokens="2")),
    Input(
        "bins.csv", rows("0,10,2,30,7", "20,10,1,5,5", header="bin_start_s,bin_s,requests,prompt_tokens,output_tokens")
    ),
    Input("mooncake.jsonl", moon(0, 3000, 3000, 6000)),
    Input("burstgpt.csv", Path("cases/trace-burstgpt.csv")),
    Input("vidur.csv", Path("cases/trace-vidur.csv")),
    Input("multiturn.jsonl", Path("cases/trace-multiturn-delay.jsonl"), about="later turns have a delay"),
    Input(
        "azure.csv",
        rows(
            "2023-11-16 18:15:46.6805900,1,2",
            "2023-11-16 18:15:50,3,4",
            header="TIMESTAMP,ContextTokens,GeneratedTokens",
        ),
    ),
    Input("export.json", Path("cases/prom-base.json")),
    Input("promtool.json", Path("cases/prom-promtool-bare-list.json")),
    Input("two-jobs.json", Path("cases/prom-two-jobs.json"), about="a pod that two jobs scrape"),
    Input("label-churn.json", Path("cases/prom-label-churn.json"), about="a label that changes in mid-range"),
    Input("gap.json", Path("cases/prom-gap.json"), about="a gap, and a NaN"),
    Input("sum-by-name.json", Path("cases/prom-sum-by-name.json"), about="an export of sum by (__name__)"),
    Input("dates.parquet", table(time=pa.array([0, 1_500_000], pa.timestamp("us")), **TOKENS), about="times of 1970"),
    Input("text.parquet", table(time=["2024-01-01T00:00:00Z", "2024-01-01T00:00:01+01:00"], **TOKENS)),
    Input("decimal.parquet", table(arrival_s=[Decimal("0.5"), Decimal("1.5")], **TOKENS)),
    # ---------------------------------------------------------------- names
    Input(
        "mapped.csv",
        rows("7,x,5,6", header="sent,user,len_in,len_out"),
        {"arrival": "sent", "prompt_tokens": "len_in", "output_tokens": "len_out"},
        "s",
    ),
    Input(
        "mapped.jsonl",
        line(at="2024-05-10T00:00:00", request={"len": {"in": 5}}, n_out=6, **{"a.b": 1}),
        {"arrival": "at", "prompt_tokens": "request.len.in", "output_tokens": "n_out"},
        about="a value inside objects",
    ),
    Input(
        "both.csv",
        rows("1,2,3"),
        {"arrival": "prompt_tokens"},
        about="a column for two fields",
    ),
    Input("unmapped.csv", rows("7,x,5,6", header="time_s,user,promt_tokens,output_tokens")),
    Input(
        "misspelt.csv",
        rows("7,5,6", header="time_s,num_prefill_tokens,output_tokens"),
        {"prompt_tokens": "num_prefil_tokens"},
    ),
    Input("two-times.csv", rows("7,8,5,6", header="created_s,time_s,prompt_tokens,output_tokens")),
    Input("twice.csv", rows("1,2,3,4", header="arrival_s,arrival_s,prompt_tokens,output_tokens")),
    Input("no-header.csv", "0.5,10,3\n2.5,20,4\n"),
    Input("excel-hint.csv", "sep=;\narrival_s;prompt_tokens;output_tokens\n1;2;3\n"),
    Input(
        "escapes.csv",
        rows("1,2,3", header="\x1b[31mred\x1b[0m,\u202eprompt_tokens,b"),
        about="escape sequences in the header",
    ),
    Input("esc\x1b[2Jape.csv", rows("1,\x1b]0;x\x07,3"), about="escape sequences in the name and in a value"),
    Input("wide.csv", ",".join(f"c{i}" for i in range(200_000)) + "\n", about="200,000 columns"),
    # ---------------------------------------------------------------- units
    Input("seconds.jsonl", Path("cases/trace-seconds.jsonl"), about="Mooncake's columns, in seconds"),
    Input("seconds-named.jsonl", Path("cases/trace-seconds.jsonl"), time_unit="s"),
    Input("whole-seconds.jsonl", moon(*range(100)), about="100 requests in 99 s"),
    Input("rare-whole-seconds.jsonl", moon(*range(0, 700, 7)), about="100 requests in 11 minutes"),
    Input("unknown-unit.csv", rows("0,1,2", "60000,1,2", "120000,1,2", header="time,prompt_tokens,output_tokens")),
    Input("unknown-unit-fraction.csv", rows("0.5,1,2", "900.2,1,2", header="time,prompt_tokens,output_tokens")),
    Input("suffix.csv", rows("0,1,2", "60000,1,2", header="time (ms),prompt_tokens,output_tokens")),
    Input("epoch-seconds.csv", rows("1750000000.25,1,2", "1750000001,1,2", header="time,prompt_tokens,output_tokens")),
    Input("epoch-ms.csv", rows("1750000000250,1,2", "1750000001000,1,2", header="time,prompt_tokens,output_tokens")),
    Input("epoch-us.csv", rows("1750000000250000,1,2", header="time,prompt_tokens,output_tokens")),
    Input("epoch-ns.csv", rows("1750000000250000000,1,2", header="time,prompt_tokens,output_tokens")),
    Input("epoch-in-mooncake.jsonl", moon(1_750_000_000, 1_750_000_003)),
    Input("arrival-ms.csv", rows("1750000000250,1,2", "1750000001000,1,2"), about="arrival_s holds milliseconds"),
    Input(
        "zones.csv",
        rows(
            "2024-05-10 00:00:00.5Z,1,2",
            "2024-05-10 02:00:02+02:00,1,2",
            "2024-05-10T00:00:03,1,2",
            "2024-05-10 00:00:04 UTC,1,2",
            header="time,prompt_tokens,output_tokens",
        ),
    ),
    Input("dates-in-ms.csv", rows("2024-05-10,1,2", header="time,prompt_tokens,output_tokens"), time_unit="ms"),
    # ---------------------------------------------------------------- failures
    Input("failures.csv", rows("0,5,", "1,5,0", "2,5,7"), about="no output tokens, or 0"),
    Input("failures.parquet", table(arrival_s=[0.0, 1.0], prompt_tokens=[1, 2], output_tokens=[None, 4])),
    Input("all-failed.csv", rows("0,5,", "1,5,0")),
    Input("no-prompt.csv", rows("0,5,2", "1,,2")),
    # ---------------------------------------------------------------- broken values
    Input("not-a-number.csv", rows("1,2,3", "2,many,3")),
    Input("comma.csv", rows("0,5;10;3", header="arrival_s;prompt_tokens;output_tokens")),
    Input("thousands.csv", rows('0,"1,200",3')),
    Input("nan.csv", rows("nan,2,3")),
    Input("infinite.csv", rows("1,inf,3")),
    Input("negative.csv", rows("1,2,3", "-2,2,3")),
    Input("half-a-token.csv", rows("1,2.5,3")),
    Input("huge.csv", rows("1,1e30,3")),
    Input("far.csv", rows("0,1,2", "1,1,2", "2,1,2", "30000000,1,2"), about="the last time is 347 days away"),
    Input(
        "epoch-zero.csv",
        rows("1750000000,1,2", "0,1,2", "1750000001,1,2", header="created,prompt_tokens,output_tokens"),
    ),
    Input("not-a-date.csv", rows("2024-05-10,1,2", "10/05/2024,1,2", header="time,prompt_tokens,output_tokens")),
    Input(
        "overflow.parquet",
        table(time=pa.array([0, 2**62], pa.timestamp("us")), **TOKENS),
        about="146,000 years from now",
    ),
    Input("ragged.csv", rows("1,2,3", "1,2")),
    Input("ragged-latin1.csv", rows("1,2,3", "1,\xe9").encode("latin-1"), about="too few values, not in UTF-8"),
    Input("quote.csv", rows('1,"2,3', *["1,2,3"] * 900_000), about="a quotation mark is not closed"),
    Input(
        "mixed.jsonl",
        line(arrival_s=0, prompt_tokens=5, output_tokens=2) + line(arrival_s="1", prompt_tokens=5, output_tokens=2),
    ),
    Input(
        "mixed-inside.jsonl",
        line(time_s=0, usage={"prompt_tokens": 5, "completion_tokens": 2})
        + line(time_s=1, usage={"prompt_tokens": "5", "completion_tokens": 2}),
    ),
    Input("object-or-not.jsonl", line(time_s=0, usage={"prompt_tokens": 5, "completion_tokens": 2}) + line(usage=7)),
    Input("number-or-not.jsonl", line(time_s=0, prompt_tokens=5, output_tokens=2) + line(prompt_tokens={"of": 7})),
    Input("array.jsonl", json.dumps([{"arrival_s": 0}])),
    Input("array.json", json.dumps([{"arrival_s": 0}])),
    Input("lines.json", moon(0, 1)),
    Input("nested.jsonl", '{"arrival_s":' * 100_000),
    Input("nested-list.jsonl", line(arrival_s=[1], prompt_tokens=5, output_tokens=2)),
    Input("nested.json", "[" * 100_000),
    Input("lists.parquet", table(arrival_s=[[0.0], [1.0]], **TOKENS)),
    Input("structs.parquet", table(arrival_s=[{"a": {"b": 1}}] * 2, **TOKENS)),
    Input("flags.parquet", table(arrival_s=[True, False], **TOKENS)),
    Input("bytes.parquet", table(arrival_s=[b"\xff\xfe", b"1"], **TOKENS)),
    # ---------------------------------------------------------------- broken files
    Input("missing.csv", lambda path: None),
    Input("folder.csv", Path.mkdir),
    Input("pipe.csv", os.mkfifo, about="a FIFO without a writer"),
    Input("empty.csv", ""),
    Input("empty.parquet", ""),
    Input("empty.jsonl", "\n\n"),
    Input("header-only.csv", HEADER),
    Input("no-rows.parquet", table(arrival_s=np.zeros(0), prompt_tokens=np.zeros(0), output_tokens=np.zeros(0))),
    Input("notes.txt", "x"),
    Input("junk.csv", bytes(range(256)) * 64, about="every byte"),
    Input("junk.parquet", b"PAR1" + bytes(range(256)) * 64 + b"PAR1"),
    Input("utf16.csv", rows("1,2,3").encode("utf-16")),
    Input("latin1.csv", rows("1,2,3\xa0").encode("latin-1")),
    Input("sheet.csv", b"PK\x03\x04" + bytes(100), about="a spreadsheet with another name"),
    Input("packed.csv", gzip.compress(rows("1,2,3").encode())),
    Input("cut.csv.gz", gzip.compress(rows(*["1,2,3"] * 100).encode())[:-12]),
    Input("plain.csv.gz", rows("1,2,3")),
    Input("error.json", '{"status": "error", "error": "parse error \\u001b[31m"}'),
    Input("benchmark.json", json.dumps({"backend": "vllm", "input_lens": [1]}), about="a result of vllm bench serve"),
    Input(
        "sum.json",
        json.dumps(
            {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[0, "1"]]}]}}
        ),
        about="an export of sum(rate(...))",
    ),
]
SLOW_INPUTS = [
    Input(
        "bomb-rows.csv.gz",
        lambda path: members(path, HEADER, "1,1,1\n" * (8 * MIB), 64),
        about="500 million rows in 3 MB",
    ),
    Input(
        "bomb-bytes.csv.gz",
        lambda path: members(path, "text," + HEADER, f"{'x' * 1000},1,1,1\n" * 16384, 256),
        about="4 GiB in 5 MB",
    ),
    Input("bomb-line.csv.gz", lambda path: members(path, HEADER, "x" * (64 * MIB), 64), about="one row of 4 GiB"),
    Input(
        "bomb.jsonl.gz",
        lambda path: members(
            path, "", line(arrival_s=1, prompt_tokens=1, output_tokens=1, text="x" * 1000) * 16384, 256
        ),
    ),
    Input("bomb.json.gz", lambda path: members(path, "[", "[]," * (16 * MIB), 64)),
    Input(
        "bomb.parquet",
        lambda path: pq.write_table(
            pa.table(
                {
                    "arrival_s": pa.array(["x" * MIB])
                    .dictionary_encode()
                    .dictionary.take(pa.array(np.zeros(1000, np.int32))),
                    "prompt_tokens": np.ones(1000),
                    "output_tokens": np.ones(1000),
                }
            ),
            path,
        ),
    ),
]


def measured(each: Input, shared: Path) -> tuple[str, float, float]:
    """What a file gives in a process of its own, in how many seconds of CPU, and its largest memory in MiB."""
    program = """
import os, re, sys, time
from tests.replay.traces.inputs import *
each = next(each for each in INPUTS + SLOW_INPUTS if each.name == sys.argv[2])
os.chdir(sys.argv[1])
began = time.process_time()
gives = each.read()
memory = re.search("VmHWM:[^0-9]+([0-9]+)", Path("/proc/self/status").read_text())
print(time.process_time() - began, int(memory[1]) / 1024, gives)
"""
    with tempfile.TemporaryDirectory() as folder:
        each.make(Path(folder), shared)
        done = subprocess.run(
            [sys.executable, "-c", program, folder, each.name],
            capture_output=True, text=True, check=False, timeout=120, env={**os.environ, "PYTHONPATH": os.getcwd()},
        )  # fmt: skip
    if done.returncode:
        return f"FAILED: {done.stderr[-300:]}", 0.0, 0.0
    seconds, mebibytes, gives = done.stdout.rstrip("\n").split(" ", 2)
    return gives, float(seconds), float(mebibytes)


def expected() -> dict[str, str]:
    """What each file gives, by the file's name."""
    lines = Path(__file__).with_name("inputs.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split(" -> ", 1) for line in lines)


if __name__ == "__main__":
    print("| input | gives | seconds | MiB |\n|---|---|--:|--:|")
    for each in INPUTS + SLOW_INPUTS:
        gives, seconds, mebibytes = measured(each, Path(os.environ["OUTRIDER_SHARED"]))
        about = f" ({each.about})" if each.about else ""
        print(f"| {printable(each.name)}{about} | {gives} | {seconds:.2f} | {mebibytes:.0f} |", flush=True)
