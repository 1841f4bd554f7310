"""Work on all cores of this machine, or of a Dask or a Ray cluster, by joblib."""

import importlib.util
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from replay.driver import Outcome
    from replay.runs import Run
    from replay.traces.trace import Requests

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
Backend = Literal["loky", "dask", "ray"]
ADDRESSES = {"dask": ("DASK_SCHEDULER_ADDRESS", "tcp://HOST:8786"), "ray": ("RAY_ADDRESS", "HOST:6379")}
PACKAGES = {"dask": "distributed", "ray": "ray"}


def one_thread_each() -> None:
    """Leave linear algebra one thread in this process and in those it starts; call this before numpy is imported.

    Its threads wait by spinning: a fit with two threads takes 13 ms alone and 136 ms on a busy machine, with one 13 ms.
    """
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WorkersError(Exception):
    """Processes that ended before their work did. The message can be printed."""


class Workers:
    """Processes that work for this one, or with one job this process itself."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def map(self, function: Callable[[ItemT], ResultT], items: Iterable[ItemT], /) -> Iterator[ResultT]:
        """As the built-in `map`: in the order of the items, which are read as they are needed, a few ahead."""
        return map(function, items) if self.jobs == 1 else _parallel("generator", self.jobs, function, zip(items))

    def play(
        self, runs: "Sequence[Run]", progress: "Callable[[Run, float], None]", /
    ) -> "Iterator[tuple[Run, Outcome]]":
        """Play runs, and yield each as soon as it is done."""
        from replay.checkpoints import code_version
        from replay.runs import here

        if self.jobs == 1:
            yield from here(runs, progress)
            return
        # Arrays travel apart, since they are the same in all runs: loky maps them into memory once, Dask sends them once.
        calls = ((place, _without_traffic(run), *_columns(run.scenario.requests)) for place, run in enumerate(runs))
        for place, outcome in _parallel("generator_unordered", self.jobs, partial(_play, code_version()), calls):
            yield runs[place], outcome


@contextmanager
def workers(backend: Backend = "loky", jobs: int | None = None) -> Iterator[Workers]:
    """The processes of a back end; on this machine `jobs`, by default one for each core. Functions and items must be picklable.

    Raises ValueError for a back end that is not installed, or has no address.
    """
    jobs = jobs or cores()
    with ExitStack() as stack:
        if backend == "loky":
            if jobs > 1:
                stack.callback(_end)
        else:
            jobs = -1
            stack.enter_context(_cluster(backend))
        yield Workers(jobs)


@contextmanager
def _cluster(backend: Backend) -> Iterator[None]:
    import joblib

    variable, example = ADDRESSES[backend]
    if importlib.util.find_spec(PACKAGES[backend]) is None:
        raise ValueError(f"--backend {backend} needs a package that is missing: run pip install 'outrider[{backend}]'")
    if not os.environ.get(variable):
        raise ValueError(f"--backend {backend} needs the address of a cluster: set {variable}, e.g. to {example}")
    if backend == "ray":
        from ray.util.joblib import register_ray

        register_ray()
        with joblib.parallel_config("ray"):
            yield
        return
    from distributed import Client

    try:
        client = Client(os.environ[variable], set_as_default=False)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise ValueError(f"{variable}={os.environ[variable]} does not answer: {error}") from None
    with client, joblib.parallel_config("dask", client=client):
        yield


def _parallel(
    order: str, jobs: int, function: Callable[..., ResultT], calls: Iterable[tuple[Any, ...]]
) -> Iterator[ResultT]:
    from joblib import Parallel, delayed

    interrupt = None
    if threading.current_thread() is threading.main_thread():
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which the processes that start here inherit
    try:
        found = Parallel(jobs, return_as=order, batch_size=1)(delayed(function)(*call) for call in calls)
    finally:
        if interrupt is not None:
            signal.signal(signal.SIGINT, interrupt)
    try:
        yield from found
    except BrokenProcessPool:
        raise WorkersError("a process ended before its run did, perhaps for want of memory; try fewer --jobs") from None


def _end() -> None:
    """End the processes that wait for more work."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor(reuse=True).shutdown(kill_workers=True)


def _without_traffic(run: "Run") -> "Run":
    return replace(run, scenario=replace(run.scenario, requests=None))  # type: ignore[arg-type]


def _columns(requests: "Requests") -> "tuple[NDArray[Any], ...]":
    return tuple(getattr(requests, field.name) for field in fields(requests))


def _play(code: str, place: int, run: "Run", *columns: "NDArray[Any]") -> "tuple[int, Outcome]":
    """In a worker."""
    from replay.checkpoints import code_version
    from replay.traces.trace import Requests

    if code_version() != code:
        raise ValueError(
            f"the worker on {os.uname().nodename} runs another version of outrider, Python or numpy than this command; "
            "install the same on both"
        )
    return place, replace(run, scenario=replace(run.scenario, requests=Requests(*columns))).play()
