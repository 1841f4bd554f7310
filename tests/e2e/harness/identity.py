"""Certificates and kubeconfigs of the cluster, from one authority."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.certificates import Authority

LOCAL = ("localhost", "127.0.0.1")
SERVICE_IPS = "10.96.0.0/16"


@dataclass(frozen=True)
class Pair:
    """Files of a certificate and its key."""

    certificate: Path
    key: Path


class Identities:
    """Writes the credentials of each component into one folder; existing files stay."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.authority, key = folder / "ca.crt", folder / "ca.key"
        if not key.exists():
            made = Authority("test cluster")
            self.authority.write_bytes(made.certificate)
            key.touch(0o600)
            key.write_bytes(made.key)
        self._authority = Authority("test cluster", key.read_bytes())

    def issue(self, name: str, *, organization: str | None = None, hosts: tuple[str, ...] = LOCAL) -> Pair:
        """A certificate for a client or a server."""
        pair = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        if not pair.certificate.exists():
            certificate, key = self._authority.issue(name, organization=organization, hosts=hosts)
            pair.key.touch(0o600)
            pair.key.write_bytes(key)
            pair.certificate.write_bytes(certificate)
        return pair

    def keda(self) -> Path:
        """The folder that KEDA reads: one certificate for its operator, its adapter, and the connection between them."""
        folder = self._folder / "keda"
        folder.mkdir(exist_ok=True)
        hosts = (*LOCAL, "keda-operator.keda.svc.cluster.local", "keda-metrics-apiserver.keda.svc")
        pair = self.issue("keda", hosts=hosts)
        for name, file in (("ca.crt", self.authority), ("tls.crt", pair.certificate), ("tls.key", pair.key)):
            shutil.copyfile(file, folder / name)
        return folder

    def kubeconfig(self, name: str, server: str, user: dict[str, object]) -> Path:
        """A kubeconfig file; `user` is its user entry."""
        path = self._folder / f"{name}.kubeconfig"
        cluster = {"server": server, "certificate-authority": str(self.authority)}
        context = {"cluster": "test", "user": name, "namespace": "default"}
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "test", "cluster": cluster}],
                    "users": [{"name": name, "user": user}],
                    "contexts": [{"name": "test", "context": context}],
                    "current-context": "test",
                }
            )
        )
        path.chmod(0o600)
        return path
