"""Command lines of etcd and of Kubernetes' own components."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.e2e.components import program
from tests.e2e.harness.identity import SERVICE_IPS, Identities, Pair
from tests.e2e.harness.process import Process, free_port

API_SERVER_HOSTS = ("localhost", "127.0.0.1", "kubernetes.default.svc", "10.96.0.1")


@dataclass(frozen=True)
class Address:
    """Where a component listens."""

    port: int

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def https(self) -> str:
        return f"https://127.0.0.1:{self.port}"


def etcd(folder: Path, clients: Address) -> Process:
    """etcd without fsync: it need not outlive the cluster."""
    peers = Address(free_port())
    command = [
        str(program("etcd")),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={clients.http}",
        f"--advertise-client-urls={clients.http}",
        f"--listen-peer-urls={peers.http}",
        f"--initial-advertise-peer-urls={peers.http}",
        f"--initial-cluster=default={peers.http}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]
    return Process("etcd", command, folder)


def api_server(
    folder: Path, identities: Identities, store: Address, here: Address, accounts: Pair, gates: str
) -> Process:
    """kube-apiserver with RBAC and aggregation. Without the name allowed to proxy, one authority for clients and
    proxies makes it exit with "overlapping certificates"."""
    server = identities.issue("apiserver", hosts=API_SERVER_HOSTS)
    proxy = identities.issue("front-proxy")
    command = [
        str(program("kube-apiserver")),
        f"--etcd-servers={store.http}",
        "--bind-address=127.0.0.1",
        f"--secure-port={here.port}",
        f"--tls-cert-file={server.certificate}",
        f"--tls-private-key-file={server.key}",
        f"--client-ca-file={identities.authority}",
        "--authorization-mode=RBAC",
        "--allow-privileged",  # as everywhere, since network plug-ins need it
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={accounts.certificate}",
        f"--service-account-signing-key-file={accounts.key}",
        f"--service-cluster-ip-range={SERVICE_IPS}",
        f"--requestheader-client-ca-file={identities.authority}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={proxy.certificate}",
        f"--proxy-client-key-file={proxy.key}",
        "--endpoint-reconciler-type=none",
        "--shutdown-delay-duration=0s",
        *([f"--feature-gates={gates}"] if gates else []),
    ]
    return Process("kube-apiserver", command, folder)


def controller_manager(
    folder: Path, identities: Identities, kubeconfig: Path, accounts: Pair, hpa_sync_seconds: float
) -> Process:
    """kube-controller-manager, which includes the HPA. Its API rate limits are raised, since one client does everything."""
    command = [
        str(program("kube-controller-manager")),
        *_kubeconfigs(kubeconfig),
        "--leader-elect=false",
        "--controllers=*",
        f"--service-account-private-key-file={accounts.key}",
        f"--root-ca-file={identities.authority}",
        f"--horizontal-pod-autoscaler-sync-period={hpa_sync_seconds}s",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--bind-address=127.0.0.1",
        f"--secure-port={free_port()}",
        f"--cert-dir={folder / 'controller-manager'}",
    ]
    return Process("kube-controller-manager", command, folder)


def scheduler(folder: Path, kubeconfig: Path) -> Process:
    """kube-scheduler; an unschedulable pod is retried after 2 s at the latest, a fifth of the usual."""
    config = folder / "scheduler.yaml"
    settings = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "leaderElection": {"leaderElect": False},
        "podInitialBackoffSeconds": 1,
        "podMaxBackoffSeconds": 2,
    }
    command = [
        str(program("kube-scheduler")),
        f"--config={config}",
        *_kubeconfigs(kubeconfig),
        "--bind-address=127.0.0.1",
        f"--secure-port={free_port()}",
        f"--cert-dir={folder / 'scheduler'}",
    ]
    return Process("kube-scheduler", command, folder, files={config: yaml.safe_dump(settings)})


def _kubeconfigs(path: Path) -> list[str]:
    return [f"--{name}={path}" for name in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")]
