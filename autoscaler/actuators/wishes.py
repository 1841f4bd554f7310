"""What a workload wants to have on its nodes, and whether that works here: for the fetch actuator, the status and decisions."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from autoscaler.actuators.fetched import Fetched, Progress
from autoscaler.actuators.fetching import FetchSettings, Wish
from autoscaler.actuators.landing import Placement
from autoscaler.actuators.prefetch import prefetch_content, reads
from autoscaler.actuators.prepull import Content, Form, images, prepull_pod
from autoscaler.kube.objects import Object, labels
from crds.image_weights import used
from crds.workload import WeightsMethod, Workload
from policies.fetches import Ability
from policies.model import Mode
from policies.supply import StageName

PRE_PULL, WEIGHTS = "ImagePrePull", "Weights"
NODES_UNKNOWN = "the nodes are not known: Outrider needs the right to list and watch them"
ENFORCED = "pod-security.kubernetes.io/enforce"
_THERE = (Progress.HELD, Progress.DONE)
_STAGES = {PRE_PULL: StageName.IMAGE, WEIGHTS: StageName.WEIGHTS}


def asked(workload: Workload) -> tuple[str, ...]:
    """The means that a policy asks for, by the names that its status has."""
    weights = workload.weights.method is not WeightsMethod.NONE
    return (PRE_PULL,) * workload.pre_pull + (WEIGHTS,) * weights


def fetches(workload: Workload) -> bool:
    """Whether a policy asks for anything that the fetch actuator brings."""
    return workload.pre_pull or workload.weights.method in (WeightsMethod.IMAGE, WeightsMethod.PREFETCH)


def wish(
    workload: Workload, template: Object, probability: float, settings: FetchSettings, *, weights: bool = True
) -> Wish:
    """What to bring to each node that a replica may land on. Raises ValueError where the template cannot be read.

    `weights` is whether the policy's own weights may be brought: an image that no pod of the target uses must not run for a policy.
    """
    deadline = settings.deadline_seconds
    pulls = {
        how: tuple(
            Content(
                each.reference,
                each.stage,
                how,
                prepull_pod(template, each, how, deadline, settings.pause_image),
                deadline,
            )
            for each in images(workload, template, weights=weights)
        )
        for how in (Form.SLEEP, Form.VOLUME)
    }
    prefetch = workload.weights.prefetch
    copied = (prefetch_content(workload, prefetch, deadline),) if prefetch and weights else ()
    cold = workload.cold_start
    miss_seconds = {
        stage: found.p50_seconds
        for stage, found in ((StageName.IMAGE, cold.image), (StageName.WEIGHTS, cold.weights))
        if found is not None
    }
    contents = {how: (*found, *copied) for how, found in pulls.items()}
    return Wish(contents, Placement.of(template), probability, miss_seconds)


def abilities(
    workload: Workload, wanted: Wish | None, seen: tuple[Fetched, ...], obstacles: Mapping[str, str], nodes: int | None
) -> Iterator[Ability]:
    """Whether each of the means that are asked for works. `obstacles` by its name: why it does not; `nodes` None: unknown."""
    contents = [each for found in (wanted.contents.values() if wanted else ()) for each in found]
    for name in asked(workload):
        stage = _STAGES[name]
        whats = {each.what for each in contents if each.stage is stage}
        of_stage = [each for each in seen if each.what in whats]
        why = obstacles.get(name) or _standstill(workload, nodes) or _failure(of_stage)
        said = sentence(why) if why else _progress(workload, name, of_stage, nodes)
        yield Ability(name, stage, not why, said)


def sentence(why: str) -> str:
    """A reason as a sentence of its own."""
    return f"{why[:1].upper()}{why[1:].removesuffix('.')}."


def _standstill(workload: Workload, nodes: int | None) -> str:
    """Why nothing at all is brought; empty if it is."""
    if workload.mode is Mode.SHADOW:
        return "in mode Shadow nothing is brought to the nodes"
    if nodes is None:
        return NODES_UNKNOWN
    return ""


def _failure(of_stage: Sequence[Fetched]) -> str:
    """Why it came to no node; empty if it came to one, or has not failed yet."""
    failed = next((each for each in of_stage if each.progress in (Progress.FAILED, Progress.STUCK)), None)
    if failed is None or any(each.progress in _THERE for each in of_stage):
        return ""
    return f"node {failed.node} did not get {failed.what}: {failed.cause}"


def _progress(workload: Workload, name: str, of_stage: Sequence[Fetched], nodes: int | None) -> str:
    """How far it is where it works."""
    if name == WEIGHTS and workload.weights.method is WeightsMethod.LOCAL_MODEL_CACHE:
        return f"KServe's LocalModelCache {workload.weights.cache} has the weights on each node that a replica may land on."
    there = len({each.node for each in of_stage if each.progress in _THERE})
    under_way = len({each.node for each in of_stage if each.progress is Progress.UNDER_WAY})
    going = f"; on its way to {under_way}" if under_way else ""
    return f"Brought to each node as it registers; kept on {there} of {nodes}{going}."


def cache_obstacle(name: str, nodes: Sequence[str], having: Collection[str]) -> str:
    """Why a LocalModelCache cannot be counted on; empty where all `nodes` that a replica may land on are `having` its weights."""
    lacking = [node for node in nodes if node not in having]
    if not nodes:
        return f"there is no node yet that a replica may land on, so the LocalModelCache {name} cannot have the weights there"
    if not lacking:
        return ""
    return (
        f"the LocalModelCache {name} has the weights on {len(nodes) - len(lacking)} of the {len(nodes)} nodes that a replica may land "
        f"on, and not on {lacking[0]}: wait for the download, or see its status and its node groups"
    )


def image_obstacle(workload: Workload, template: Object) -> str:
    """Why an image with the weights would be of no use to a replica; empty where it is."""
    image = workload.weights.image
    if not image or used(template.get("spec") or {}, image):
        return ""
    return (
        f"the target's pods use no image {image}, so they would not find the weights: "
        "add it to the template as an image volume, by the same reference"
    )


def prefetch_obstacle(workload: Workload, template: Object, namespace: Object | None, *, allowed: bool) -> str:
    """Why weights cannot be copied to nodes for a workload; empty where they can. `namespace` None: not read."""
    prefetch = workload.weights.prefetch
    if prefetch is None:
        return ""
    if not allowed:
        return (
            "this installation copies no weights: an administrator sets --prefetch and applies the component prefetch"
        )
    level = labels(namespace).get(ENFORCED, "privileged") if namespace is not None else ""
    if level not in ("", "privileged"):
        return f"Pod Security of the namespace enforces {level}, which lets no pod use a folder of its node"
    if not reads(dict(template.get("spec") or {}), prefetch.path):
        return (
            f"the target's pods mount no folder of their node that has {prefetch.path}, so they would not find the weights: "
            "add a hostPath volume to the template"
        )
    return ""
