"""The hardware behind each engine profile: what a replica and its node really are, where a policy knows only a seed.

Warm-ups with a full compile cache are simulated sums of their parts: process, load, compile, graphs and probe.
With a full batch the amortised decode of each equals the profile's seed. KV sizes are what 0.9 of the GPU's memory
leaves beside the weights. One replica fills a node.
"""

from dataclasses import replace

from crds.profiles import PROFILES
from crds.workload import Workload
from policies.supply import Stage
from replay.scenario.scenario import L4_8B, Hardware


def _beside(
    profile: str,
    *,
    step: tuple[float, float],
    seqs: int,
    kv_tokens: int,
    cached_warmup: Stage | None = None,
    process_seconds: float = 0.0,
) -> Hardware:
    """`step` is (base, per sequence) in seconds; prefill, cold start and price are the profile's own."""
    seeds = PROFILES[profile]
    return Hardware(
        name=profile,
        prefill_tokens_per_second=seeds.engine.prefill_tokens_per_second,
        prefill_max_share=seeds.engine.prefill_max_share,
        step_base_seconds=step[0],
        step_sequence_seconds=step[1],
        max_num_seqs=seqs,
        kv_tokens=kv_tokens,
        cold_start=seeds.cold_start,
        reaction_seconds=3.0,
        gpus_per_replica=seeds.gpus_per_replica,
        gpus_per_node=seeds.gpus_per_replica,
        price_per_gpu_hour=seeds.price_per_gpu_hour,
        node_idle_seconds=60.0,
        max_nodes=64,
        cached_warmup=cached_warmup,
        process_seconds=process_seconds,
    )


HARDWARE = {
    "8b-l4": L4_8B,
    "8b-a10g": _beside(
        "8b-a10g",
        step=(0.0288, 0.001),
        seqs=48,
        kv_tokens=60_000,
        cached_warmup=Stage(95.0, 132.0),
        process_seconds=35.0,
    ),
    "8b-h100": _beside(
        "8b-h100",
        step=(0.012, 0.00015),
        seqs=256,
        kv_tokens=420_000,
        cached_warmup=Stage(31.0, 46.0),
        process_seconds=10.0,
    ),
    "70b-tp4-h100": _beside(
        "70b-tp4-h100",
        step=(0.0256, 0.0004),
        seqs=128,
        kv_tokens=400_000,
        cached_warmup=Stage(106.0, 160.0),
        process_seconds=35.0,
    ),
}


def hardware_of(workload: Workload) -> Hardware:
    """Of the workload's profile, at its price. The pool also holds prepared nodes, and as many replicas again that still drain."""
    policy, gpus = workload.policy, workload.gpus_per_replica
    return replace(
        HARDWARE[workload.profile],
        price_per_gpu_hour=workload.price_per_gpu_hour,
        gpus_per_replica=gpus,
        gpus_per_node=gpus,
        max_nodes=2 * policy.max_replicas + policy.max_prepared_nodes,
    )
