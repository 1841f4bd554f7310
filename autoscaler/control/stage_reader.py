"""Asks engines that start at which stage they are. vLLM's `/readiness/stages` is in no release, so most have none.

An engine without it says so once: that image of that policy is not asked again before the controller starts anew. The same goes
for an answer of another shape. One that hangs delays only itself; what is not known of a start leaves its warm-up known as a whole.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import aiohttp
import structlog

from autoscaler.clock import Clock
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.objects import Key
from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.fetch import get
from autoscaler.sources.slots import Slots
from autoscaler.sources.transport import Transport
from autoscaler.starts.engine_stages import Answers, added, stage, warmup_parts
from autoscaler.starts.pods import engine
from crds.workload import Endpoint
from policies.seen import PodSeen
from policies.starts import Span

METRICS, STAGES = "/metrics", "/readiness/stages"
ASK_SECONDS = 1.0
TIMEOUT_SECONDS = 1.0  # of wall time
MAX_BODY_BYTES = 4096
TOGETHER = 16  # pods that are asked at the same time
MOST_STARTS = 8  # of a policy that are followed at the same time; the others are known as a whole
LONGEST_SECONDS = 1800.0  # since its container started, that a pod is asked
KEPT_SECONDS = 60.0  # since it serves, that its answers are kept; without any, it is asked as long
MOST_SILENT = 4096  # images of policies that are not asked; those of before go first
NOT_SERVED = (404, 405, 501)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Start:
    pod: PodSeen
    engine: tuple[str, str, Endpoint]  # policy, image, and how its pods are reached
    url: str
    transport: Transport


class StageReader:
    """What engines answered, by the uid of their pod."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slots = Slots(TOGETHER)
        self._answers: dict[str, tuple[Answers, ...]] = {}  # of the starts that are followed
        self._asking: set[str] = set()
        self._silent: dict[tuple[str, str, Endpoint], None] = {}

    def parts(self, pod: PodSeen) -> tuple[Span, ...]:
        """The parts of the warm-up of a pod that serves; nothing where its engine did not show each. Forgets its answers."""
        return warmup_parts(self._answers.pop(pod.uid, ()), pod)

    async def run(self, runtimes: Mapping[str, PolicyRuntime]) -> None:
        """Ask the engines of these policies until cancelled."""
        connector = aiohttp.TCPConnector(limit=0)  # the slots limit instead
        async with (
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
            asyncio.TaskGroup() as group,
        ):
            while True:
                await self._clock.sleep(ASK_SECONDS)
                starts = [each for runtime in list(runtimes.values()) for each in self._starts_of(runtime)]
                self._answers = {each.pod.uid: self._answers.get(each.pod.uid, ()) for each in starts}
                for each in starts:
                    answered = each.pod.ready_seconds is not None and self._answers[each.pod.uid]
                    if not answered and each.pod.uid not in self._asking:
                        self._asking.add(each.pod.uid)
                        group.create_task(self._ask(session, each))

    def _starts_of(self, runtime: PolicyRuntime) -> list[_Start]:
        """The starts of one policy; none where its objects cannot be read, which must not end the others'."""
        try:
            return list(self._starts(runtime))
        except Exception as error:  # noqa: BLE001 - a fault of ours, of any kind
            _log.debug("starts.stages_fault", policy=runtime.key, error=type(error).__name__)
            return []

    def _starts(self, runtime: PolicyRuntime) -> Iterator[_Start]:
        """The starts to follow now, those first that are followed."""
        now_seconds, endpoint = self._clock.now(), runtime.workload.endpoint
        container, image = engine(runtime.template)
        of = runtime.key, image, endpoint
        if of in self._silent or not image:
            return
        under_way = [pod for pod in runtime.replicas(container) if self._is_under_way(pod, now_seconds)]
        addresses = runtime.endpoints() if under_way else {}
        for pod in sorted(under_way, key=lambda pod: pod.uid not in self._answers)[:MOST_STARTS]:
            address = addresses.get(Key(pod.namespace, pod.name))
            if address is None or isinstance(address.transport, SourceError) or len(address.urls) != 1:
                continue  # engines behind several ports start one by one
            [url] = address.urls
            if url.endswith(METRICS):
                yield _Start(pod, of, url.removesuffix(METRICS) + STAGES, address.transport)

    def _is_under_way(self, pod: PodSeen, now_seconds: float) -> bool:
        """Whether there is something to ask, or what was answered is soon asked for."""
        if pod.started_seconds is None or pod.gone or now_seconds - pod.started_seconds > LONGEST_SECONDS:
            return False
        if pod.ready_seconds is None:
            return True
        return pod.uid in self._answers and now_seconds - pod.ready_seconds <= KEPT_SECONDS

    async def _ask(self, session: aiohttp.ClientSession, each: _Start) -> None:
        try:
            async with self._slots.one(each.pod.namespace):
                body = await get(
                    session,
                    each.url,
                    timeout_seconds=TIMEOUT_SECONDS,
                    max_bytes=MAX_BODY_BYTES,
                    accept="application/json",
                    transport=each.transport,
                )
            self._answered(each, stage(body))
        except SourceError as error:
            if error.status in NOT_SERVED or error.kind is SourceErrorKind.BODY:
                self._answered(each, None)
        except Exception as error:  # noqa: BLE001 - a fault of ours, of any kind
            _log.warning("starts.stages_fault", pod=each.pod.name, error=type(error).__name__)
            self._answered(each, None)
        finally:
            self._asking.discard(each.pod.uid)

    def _answered(self, each: _Start, at: int | None) -> None:
        if at is None:
            self._silent[each.engine] = None
            if len(self._silent) > MOST_SILENT:
                del self._silent[next(iter(self._silent))]
            _log.debug("starts.no_stages", policy=each.engine[0], image=each.engine[1])
        elif each.pod.uid in self._answers:
            self._answers[each.pod.uid] = added(self._answers[each.pod.uid], at, self._clock.now())
