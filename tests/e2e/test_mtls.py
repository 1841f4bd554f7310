"""mTLS as docs/install.md sets it up without cert-manager: its commands, the component's file names, the real KEDA, and a renewal.

What differs from the page: the scaler is at localhost, which its certificate names, and the test puts the Secret into files as
the kubelet would.
"""

import base64
import os
import subprocess
from pathlib import Path
from typing import Any

import grpc

from autoscaler.scaler.tls import Tls
from tests.e2e.components import program
from tests.e2e.harness import Cluster
from tests.e2e.harness.outrider import NAMESPACE, scaled_objects
from tests.e2e.harness.scripted import ScriptedScaler
from tests.e2e.harness.target import Target, landing
from tests.support import pages
from tests.support.pages import ROOT

PAGE = ROOT / "docs" / "install.md"
SECRET = "outrider-client"


def types(cluster: Cluster, namespace: str, folder: Path) -> None:
    """Run the page's commands in this folder."""
    typed = [command.text for command in pages.commands(PAGE) if command.section == "Certificates for mTLS"]
    text = "\n".join(typed).replace("outrider.outrider-system.svc", "localhost").replace("-n llm", f"-n {namespace}")
    path = f"{program('kubectl').parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env={**os.environ, "PATH": path, "KUBECONFIG": str(cluster.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr


def mount(cluster: Cluster, folder: Path) -> Tls:
    """The server's Secret as files, swapped at once as the kubelet does it."""
    data = cluster.api.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/outrider-server")["data"]
    version = folder / f"..{len(list(folder.iterdir()))}"
    version.mkdir()
    for name, content in data.items():
        (version / name).write_bytes(base64.b64decode(content))
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)
    (folder / "..new").symlink_to(version.name)
    (folder / "..new").rename(folder / "..data")
    return Tls(folder / "tls.crt", folder / "tls.key", folder / "ca.crt")


def answers(address: str, credentials: grpc.ChannelCredentials | None) -> bool:
    """Whether the scaler answers a client with these; None: one in plain text."""
    channel = grpc.insecure_channel(address) if credentials is None else grpc.secure_channel(address, credentials)
    with channel:
        try:
            check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
            check(b"", timeout=5)
        except grpc.RpcError:
            return False
    return True


def client(folder: Path) -> grpc.ChannelCredentials:
    """What KEDA uses."""
    return grpc.ssl_channel_credentials(
        *((folder / name).read_bytes() for name in ("ca.crt", "client.key", "client.crt"))
    )


def test_the_pages_certificates_and_their_renewal(
    cluster: Cluster, namespace: str, scaler: ScriptedScaler, tmp_path: Path
) -> None:
    """A new authority, the hardest renewal: neither the scaler nor a ScaledObject is touched."""
    old, new, files = (tmp_path / name for name in ("old", "new", "files"))
    for folder in (old, new, files):
        folder.mkdir()
    for folder in (old, new):
        (folder / "deploy").symlink_to(ROOT / "deploy")
    types(cluster, namespace, old)
    address = scaler.serve(mount(cluster, files))
    target = Target(cluster.api, namespace, "chat")
    scaler.decide(target.key, 5)
    target.create(replicas=2)
    cluster.api.apply(*scaled_objects(target.policy, address, "--tls", SECRET))
    print(f"2 -> 5 in {landing({target: 5})[target]:.1f} s")
    without = grpc.ssl_channel_credentials((old / "ca.crt").read_bytes())
    assert (answers(address, None), answers(address, without), answers(address, client(old))) == (False, False, True)

    types(cluster, namespace, new)
    mount(cluster, files)
    assert (answers(address, client(new)), answers(address, client(old))) == (True, False)
    scaler.restart()  # until now KEDA had its old connection
    scaler.decide(target.key, 3)
    print(f"5 -> 3 in {landing({target: 3})[target]:.1f} s with what was renewed")
