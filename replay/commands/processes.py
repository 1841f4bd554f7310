"""Work on all cores of this machine, or of a Dask or a Ray cluster, by joblib."""

import importlib.util
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from replay.driver import Outcome
    from replay.runs import Run, RunProgress
    from replay.traces.trace import Requests

ResultT = TypeVar("ResultT")
Backend = Literal["loky", "dask", "ray"]
ADDRESSES = {"dask": ("DASK_SCHEDULER_ADDRESS", "tcp://HOST:8786"), "ray": ("RAY_ADDRESS", "HOST:6379")}
NO_WORKERS_SECONDS = 10
FEW_REQUESTS = 400_000  # the baselines of so many are played sooner than processes start
PACKAGES = {"dask": "distributed", "ray": "ray"}


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WorkersError(Exception):
    """Processes that ended before their work did. The message can be printed."""


class Workers:
    """Processes that work for this one, or with one job on this machine this process itself."""

    def __init__(self, backend: Backend, jobs: int) -> None:
        self.backend: Backend = backend
        self.jobs = jobs

    def play(self, runs: "Sequence[Run]", progress: "RunProgress", /) -> "Iterator[tuple[Run, Outcome]]":
        """Play runs, and yield each as soon as it is done; Ray yields them once all are done."""
        from replay.checkpoints import code_version
        from replay.runs import here

        if self.backend == "loky" and self.jobs == 1:
            yield from here(runs, progress)
            return
        # Arrays travel apart, since they are the same in all runs: loky maps them into memory once, Dask sends them once.
        calls = ((place, _without_traffic(run), *_columns(run.scenario.requests)) for place, run in enumerate(runs))
        for place, outcome in self.spread(partial(_play, code_version()), calls):
            yield runs[place], outcome

    def spread(self, function: Callable[..., ResultT], calls: Iterable[tuple[Any, ...]]) -> Iterator[ResultT]:
        """Call a function with each of these arguments, and yield what it returns as soon as it does.

        Raises WorkersError where a process ends before its work, and what the function raises.
        """
        from joblib import Parallel, delayed

        order = "list" if self.backend == "ray" else "generator_unordered"
        parallel = Parallel(self.jobs, return_as=order, batch_size=1)
        try:
            with _uninterrupted() if self.backend == "loky" else nullcontext():
                found = parallel(delayed(function)(*call) for call in calls)
            yield from found
        except BrokenProcessPool:
            raise WorkersError(
                "a process ended before its run did, perhaps for want of memory; try fewer --jobs"
            ) from None
        except Exception as error:
            if type(error).__module__.partition(".")[0] in PACKAGES.values():
                raise WorkersError(f"the cluster failed: {error}") from None
            raise


@contextmanager
def workers(backend: Backend = "loky", jobs: int | None = None) -> Iterator[Workers]:
    """The processes of a back end; on this machine `jobs`, by default one for each core.

    Raises ValueError for a back end that is not installed, has no address or does not answer, or a cluster without workers.
    """
    if backend == "loky":
        yield Workers(backend, jobs or cores())
        return
    with _cluster(backend):
        yield Workers(backend, -1)


@contextmanager
def _cluster(backend: Backend) -> Iterator[None]:
    import joblib

    variable, example = ADDRESSES[backend]
    if importlib.util.find_spec(PACKAGES[backend]) is None:
        raise ValueError(f"--backend {backend} needs a package that is missing: run pip install 'outrider[{backend}]'")
    if not os.environ.get(variable):
        raise ValueError(f"--backend {backend} needs the address of a cluster: set {variable}, e.g. to {example}")
    if backend == "ray":
        import ray
        from ray.util.joblib import register_ray

        ray.init(log_to_driver=False, logging_level="ERROR")  # else lines of its workers get into --json
        register_ray()
        try:
            with joblib.parallel_config("ray"):
                yield
        finally:
            ray.shutdown()
        return
    import distributed
    from distributed.comm.addressing import get_address_host_port

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # its tracebacks: an error is reported in one line
    address = os.environ[variable]
    try:
        get_address_host_port(address)  # a client with a wrong one never ends
    except ValueError as error:
        raise ValueError(f"{variable}={address} is not an address such as {example}: {error}") from None
    try:
        client = distributed.Client(address, set_as_default=False)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise ValueError(f"{variable}={address} does not answer: {error}") from None
    with client, joblib.parallel_config("dask", client=client):
        try:
            client.wait_for_workers(1, timeout=NO_WORKERS_SECONDS)
        except TimeoutError:
            raise ValueError(
                f"{variable}={address} has had no worker for {NO_WORKERS_SECONDS} s; start some with dask worker {address}"
            ) from None
        yield


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Processes that start here ignore Ctrl-C, which this one passes on by ending them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, interrupt)


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
