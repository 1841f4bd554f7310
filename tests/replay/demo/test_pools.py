"""What the demo shows of a pool: its decisions as they change, its nodes, and its line of kubectl at the end."""

import io

from rich.console import Console

from policies.model import Grant
from policies.pool import Claim, Granted, Limit, PoolPlan, Refusal, Step
from replay.demo.journal import PoolEntry, of_pool
from replay.demo.live_run import LiveRun
from replay.demo.plain import LineView
from replay.demo.pools import listing
from replay.demo.view import picture
from tests.replay.demo.recorded import a_snapshot
from tests.support.worlds import START

OFFERINGS = [{"name": "spot", "nodes": 3, "refused": 2}, {"name": "on-demand", "nodes": 0, "refused": 0}]


def test_a_pool_says_what_it_holds_and_whom_it_limits() -> None:
    claims = (Claim("spot", 0, Step.RESTING), Claim("on-demand", 2, Step.FIRST))
    refused = Granted("default/chat", Grant(2, 0), Refusal(Limit.POOL_GPUS, 1, 24.0))
    said = of_pool("h100", PoolPlan(START, (refused,), 2, claims, (), 8, 8))
    assert said == (
        "Asks spot for no new node while it rests, since it lately had none.",
        "Holds 2 nodes from on-demand, the first offering that is open and does not rest.",
        "Pool h100 is at its limit for default/chat.",
    )


def test_the_end_is_as_kubectl_lists_it() -> None:
    text = listing([{"Name": "h100", "GPUs": "11", "Limit": None}, {"Name": "a", "GPUs": "1", "Limit": "8"}])
    assert text == "$ kubectl get gpupool\nNAME   GPUS   LIMIT\nh100   11\na      1      8\n"
    assert listing([]) == ""


def test_nodes_and_refusals_are_shown() -> None:
    run = LiveRun(START, 315.0, policies=3)
    snapshot = a_snapshot(60.0) | {"offerings": OFFERINGS}
    entry = PoolEntry(START, "h100", "Holds 2 nodes from spot.")
    run.update(snapshot, [entry])
    lines = list(LineView().lines(run, [entry]))
    assert any(line.endswith("pool: Holds 2 nodes from spot.") for line in lines)
    assert any(line.endswith("The cloud refuses a node of spot.") for line in lines)
    assert any("nodes: 3 spot; " in line for line in lines)
    out = io.StringIO()
    Console(file=out, width=100, height=30, color_system=None).print(picture(run, (100, 30)))
    assert "3 spot (2 refused)" in out.getvalue()
    assert len(out.getvalue().rstrip("\n").split("\n")) <= 30
