"""How the weights of a policy's pods come to their nodes: as the policy asks, where that is seen to have worked for a pod."""

from collections.abc import Iterable

from autoscaler.actuators.claims import claimant, holder
from autoscaler.actuators.fetched import Fetched, Progress, read
from autoscaler.control.model_caches import ModelCaches
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.objects import Object, condition, created_seconds, key, labels, seconds
from autoscaler.kube.ours import FETCH_JOB, FETCH_PODS
from autoscaler.kube.watches import Watches
from autoscaler.starts.pulls import Pulls
from autoscaler.starts.weights import brought, by_images, weight_images
from crds.workload import WeightsMethod
from policies.seen import PodSeen
from policies.starts import Span
from policies.supply import StageName
from policies.weights import Came, Way

COPY_SECONDS = 10.0  # a container that ends sooner has found the weights there: 10 GB/s would bring no large model


class Ways:
    """Reads what is seen of images, Jobs and LocalModelCaches."""

    def __init__(self, pulls: Pulls, watches: Watches, caches: ModelCaches) -> None:
        self._pulls = pulls
        self._watches = watches
        self._caches = caches

    def expected(self, runtime: PolicyRuntime, own: Way) -> Came:
        """How the next pod's come; `own` is how pods get them where nothing brings them."""
        asked = self._asked(runtime)
        if asked.way is Way.IMAGE or (asked.way and StageName.WEIGHTS in runtime.cold_start.ahead):
            return asked
        return Came(own)

    def of(self, runtime: PolicyRuntime, pod: PodSeen) -> Came:
        """How those of a pod came whose engine runs."""
        asked, namespace = self._asked(runtime), pod.namespace
        if pod.weights is not None:
            return Came(Way.INIT)
        if asked.way is Way.IMAGE:  # the kubelet pulls it before any container starts
            images = weight_images(runtime.workload.weights.image, runtime.template)
            return Came(
                Way.IMAGE, asked.name, by_images(pod, [self._pulls.on(namespace, pod.node, each) for each in images])
            )
        if asked.way is Way.PREFETCH:
            pods = self._watches.pods(namespace).matching(FETCH_PODS)
            jobs = [each for each in read(self._watches.fetches(namespace), pods) if _brings(each, runtime, pod)]
            done = [each for each in jobs if each.progress is Progress.DONE]
            span = brought(pod, *_copied(done[0].job, pods)) if done else None
            return Came(Way.ENGINE) if jobs and span is None else _seen(asked, span)
        if asked.way is Way.CACHE:
            copy = self._caches.on(asked.name, pod.node)
            if copy is None or copy.end_seconds is None:
                return _seen(asked, None)
            return _seen(asked, brought(pod, copy.begin_seconds, copy.end_seconds))
        return Came()

    @staticmethod
    def _asked(runtime: PolicyRuntime) -> Came:
        weights = runtime.workload.weights
        if weights.prefetch is not None:
            return Came(Way.PREFETCH, weights.prefetch.path)
        if weights.method is WeightsMethod.LOCAL_MODEL_CACHE:
            return Came(Way.CACHE, weights.cache)
        images = weight_images(weights.image, runtime.template)
        return Came(Way.IMAGE, images[0]) if images else Came()


def _seen(asked: Came, span: Span | None) -> Came:
    return Came(None) if span is None else Came(asked.way, asked.name, span)


def _brings(each: Fetched, runtime: PolicyRuntime, pod: PodSeen) -> bool:
    prefetch = runtime.workload.weights.prefetch
    mine = holder(each.job) == claimant(runtime.workload)
    return mine and prefetch is not None and (each.node, each.what) == (pod.node, prefetch.path)


def _copied(job: Object, pods: Iterable[Object]) -> tuple[float | None, float]:
    """From when to when a Job copied; None where it copied nothing, or that is not known."""
    end = seconds((condition(job, "Complete") or {}).get("lastTransitionTime"))
    ran = 0.0
    for pod in pods:
        if labels(pod).get(FETCH_JOB) == key(job).name:
            for each in (pod.get("status") or {}).get("containerStatuses") or ():
                over = (each.get("state") or {}).get("terminated") or {}
                ran = (seconds(over.get("finishedAt")) or 0.0) - (seconds(over.get("startedAt")) or 0.0)
    return (created_seconds(job) if ran >= COPY_SECONDS else None), end or 0.0
