"""The whole cluster: its components in starting order, and how a test reaches them."""

import json
import subprocess
import sys
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Self

import requests

from tests.e2e.components import files, program
from tests.e2e.harness import controlplane, keda, nodes, prometheus
from tests.e2e.harness.api import Api, ApiError, Json
from tests.e2e.harness.controlplane import Address
from tests.e2e.harness.identity import Identities
from tests.e2e.harness.process import Process, free_port
from tests.e2e.harness.waiting import until

RATE = 5  # the suite's cluster runs five times as fast as usual: every control period is a fifth
HPA_SYNC_SECONDS = 15 / RATE
READY_SECONDS = 60.0
TOKEN_SECONDS = 6 * 3600
DEPLOY = Path(__file__).parents[3] / "deploy"
CRDS = (("keda", "crds"), ("karpenter", "crds"), ("karpenter", "kwok-crds"))


class Cluster:
    """As a context it starts and stops everything; otherwise it is a view of the cluster that runs in that folder."""

    def __init__(self, folder: Path, *, gates: str = "", without: Collection[str] = ()) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        ports = iter(_ports(self.folder / "ports.json"))
        store, api = Address(next(ports)), Address(next(ports))
        operator_port, self._adapter_port = next(ports), next(ports)
        self.prometheus_url, self.standin_url = Address(next(ports)).http, Address(next(ports)).http
        known = self.folder / "identity"
        self.kubeconfig, certificates = known / "admin.kubeconfig", known / "keda"
        config = self.kubeconfig
        self._identities = identities = Identities(known)
        accounts = identities.issue("service-accounts")
        self._admin = admin = identities.issue("admin", organization="system:masters")
        self.api = Api(api.https, identities.authority, (admin.certificate, admin.key))
        self._api_address = api
        everything = (
            controlplane.etcd(folder, store),
            controlplane.api_server(folder, identities, store, api, accounts, gates),
            controlplane.controller_manager(folder, identities, config, accounts, HPA_SYNC_SECONDS),
            controlplane.scheduler(folder, config),
            nodes.kwok(folder, config),
            nodes.karpenter(folder, config),
            prometheus.prometheus(folder, config, int(self.prometheus_url.rpartition(":")[2])),
            keda.operator(folder, config, certificates, operator_port),
            keda.adapter(folder, config, certificates, identities.authority, operator_port, self._adapter_port),
            _standin(folder, config, self.standin_url),
        )
        self.components = {process.name: process for process in everything if process.name not in without}

    def __enter__(self) -> Self:
        until.watching.append(self.check)
        try:
            self._start()
        except BaseException as error:
            error.add_note(f"all logs are in {self.folder}")
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        until.watching.remove(self.check)
        for process in self.components.values():
            process.begin_stop()
        for process in reversed(self.components.values()):
            process.stop()

    def check(self) -> None:
        """Raise DiedError if a component has ended by itself."""
        for process in self.components.values():
            process.check()

    def _start(self) -> None:
        user: dict[str, object] = {
            "client-certificate": str(self._admin.certificate),
            "client-key": str(self._admin.key),
        }
        self._identities.kubeconfig("admin", self._api_address.https, user)
        self._identities.keda()
        control_plane = ("etcd", "kube-apiserver")
        for name in control_plane:
            self.components[name].start()
        self._until("kube-apiserver", self.answers, "the API server's /readyz")
        crds = self.api.apply(*(files(*source) for source in CRDS), DEPLOY / "00-crd.yaml")
        # Karpenter indexes what it finds
        self._until("kube-apiserver", lambda: all(map(self._served, crds)), "the CRDs to be served")
        self.api.apply(*keda.registration(self._adapter_port))
        for name, process in self.components.items():
            if name not in control_plane:
                process.start()
        self._until("keda-adapter", self._metrics_served, "the external metrics API to be Available")
        for name, url in (("prometheus", f"{self.prometheus_url}/-/ready"), ("standin", f"{self.standin_url}/healthz")):
            if name in self.components:
                self._until(name, partial(_is_ok, url), f"{name} to be ready")
        self.api.apply(*nodes.pool(), *nodes.late_gpus())

    def _until(self, name: str, check: Callable[[], bool], what: str) -> None:
        """Wait for a component; on a time-out, show the end of its log."""
        try:
            until(check, READY_SECONDS, what)
        except TimeoutError as error:
            error.add_note(self.components[name].tail())
            raise

    def _served(self, crd: Json) -> bool:
        spec = crd["spec"]
        found = self.api.get_or_none(f"/apis/{spec['group']}/{spec['versions'][0]['name']}")
        return found is not None and spec["names"]["plural"] in (each["name"] for each in found["resources"])

    def _metrics_served(self) -> bool:
        return keda.available(self.api.get(keda.API_SERVICE))

    def answers(self) -> bool:
        """Whether the API server is ready. Raises requests' errors if nothing listens."""
        try:
            return bool(self.api.ask("GET", "/readyz") == "ok")
        except ApiError:
            return False

    def kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002 - as subprocess names it
        """The output of kubectl. Raises RuntimeError with its error."""
        command = [str(program("kubectl")), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=input, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def kubeconfig_for(self, account: str, namespace: str) -> Path:
        """A kubeconfig with a token of this ServiceAccount and nothing else."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        answer = self.api.post(path, {**request, "spec": {"expirationSeconds": TOKEN_SECONDS}})
        user: dict[str, object] = {"token": answer["status"]["token"]}
        return self._identities.kubeconfig(f"{namespace}-{account}", self._api_address.https, user)

    def identity(self, name: str) -> tuple[Path, Path]:
        """A certificate and its key, issued by the cluster's authority, as files."""
        pair = self._identities.issue(name)
        return pair.certificate, pair.key

    @property
    def authority(self) -> Path:
        """The certificate of the authority that signs them all."""
        return self._identities.authority

    def restart_api_server(self) -> None:
        """Restart it and wait until it is ready; KEDA's metrics come back later."""
        self.components["kube-apiserver"].restart()
        self._until("kube-apiserver", self.answers, "the API server's /readyz")


def _ports(file: Path) -> list[int]:
    """The cluster's ports; the same for the same folder."""
    if not file.exists():
        file.write_text(json.dumps([free_port() for _ in range(6)]))
    found: list[int] = json.loads(file.read_text())
    return found


def _standin(folder: Path, kubeconfig: Path, url: str) -> Process:
    control = url.removeprefix("http://")
    command = [sys.executable, "-m", "tests.e2e.standin", f"--kubeconfig={kubeconfig}", f"--control={control}"]
    return Process("standin", command, folder)


def _is_ok(url: str) -> bool:
    return requests.get(url, timeout=2).ok
