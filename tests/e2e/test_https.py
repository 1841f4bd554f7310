"""Pods that serve metrics over https on two ports, with a private CA and a token, by the Role in the cookbook.

TLS ends in front of the stand-in's engines, in this process: a pod's address is one of this machine's.
"""

import base64
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
import requests

from policies.log import decisions
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.api import Json
from tests.e2e.harness.outrider import Outrider
from tests.e2e.harness.workload import PORT, Stages, Workload
from tests.support.certificates import Authority, server_context

NAME, TOKEN = "guarded-vllm.llm.svc", "s3cret-of-the-tenant"
PORTS = [8443, 8444]
COOKBOOK = Path(__file__).parents[2] / "docs" / "cookbook.md"
METRICS = {
    "scheme": "https",
    "ports": PORTS,
    "tls": {"caConfigMap": {"name": "metrics-ca"}, "serverName": NAME},
    "bearerTokenSecret": {"name": "metrics-token"},
}


class Front(ThreadingHTTPServer):
    """One port of one pod: asks the pod's engine for those who have the token."""

    daemon_threads = True

    def __init__(self, address: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__((address, port), Asked)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)


class Asked(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.send_error(401)
            return
        host, _ = cast(tuple[str, int], self.server.server_address)
        page = requests.get(f"http://{host}:{PORT}{self.path}", timeout=5)
        self.send_response(page.status_code)
        self.send_header("Content-Length", str(len(page.content)))
        self.end_headers()
        self.wfile.write(page.content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
        """Keep still."""


@contextmanager
def fronts(pods: list[Json], context: ssl.SSLContext) -> Iterator[None]:
    """In front of each pod, until the end of the block."""
    with ExitStack() as stack:
        for pod in pods:
            for port in PORTS:
                front = stack.enter_context(Front(pod["status"]["podIP"], port, context))
                threading.Thread(target=front.serve_forever, args=(0.1,), daemon=True).start()
                stack.callback(front.shutdown)
        yield


@pytest.fixture
def workload(cluster: Cluster, namespace: str) -> Iterator[Workload]:
    found = Workload(cluster, namespace, stages=Stages(0.5, 0.2, 0.2), policy_spec={"metrics": METRICS})
    yield found
    found.delete()


def test_https_pods_of_two_ports(
    cluster: Cluster, namespace: str, workload: Workload, outrider: Callable[..., Outrider], tmp_path: Path
) -> None:
    authority = Authority("the tenant's own")
    about = {"apiVersion": "v1", "metadata": {"namespace": namespace}}
    named = [
        {**about, "kind": kind, "metadata": {"namespace": namespace, "name": name}}
        for kind, name in (("ConfigMap", "metrics-ca"), ("Secret", "metrics-token"))
    ]
    cluster.api.apply({**named[0], "data": {"ca.crt": authority.certificate.decode()}})
    cluster.api.apply({**named[1], "data": {"token": base64.b64encode(TOKEN.encode()).decode()}})
    workload.deploy(2)
    workload.steady(1.0)
    with fronts(workload.pods(), server_context(tmp_path, authority.issue("vllm", hosts=(NAME,)))):
        controller = outrider(**workload.clock)
        cluster.api.apply(workload.policy)
        refused = until(lambda: condition(workload, "False"), 60, "the status to say that nothing can be read")
        assert "Outrider may not read ConfigMap metrics-ca" in refused["message"]

        cluster.api.apply(*granted(namespace, tmp_path))
        read = until(lambda: condition(workload, "True"), 60, "the metrics to be read")
        assert read["message"] == "The metrics of all 2 ready pods are read."
        until(lambda: engines(controller) == [2.0, 2.0], 30, "a decision from both ports of both pods")
        assert TOKEN not in controller.process.log.read_text()


def condition(workload: Workload, status: str) -> Json | None:
    """The condition MetricsRead, if it has this status."""
    found = workload.status().get("conditions", ())
    return next((each for each in found if (each["type"], each["status"]) == ("MetricsRead", status)), None)


def granted(namespace: str, folder: Path) -> list[Path]:
    """The Role and its binding as the cookbook has them, in this namespace."""
    [text] = re.findall(r"```yaml\n([^`]*kind: Role\n[^`]*)```", COOKBOOK.read_text())
    file = folder / "role.yaml"
    file.write_text(text.replace("namespace: llm", f"namespace: {namespace}"))
    return [file]


def engines(controller: Outrider) -> list[float | None]:
    """Of each sample in the last decision."""
    lines = [
        line for file in sorted(controller.decisions.glob("*.jsonl")) for line in file.read_text().splitlines(True)
    ]
    *_, last = decisions(lines)
    return [sample.engines for sample in last.inputs.samples]
