"""Over mTLS nothing scales while one side does not trust the other; `test_landing` has two sides that do."""

import json
from pathlib import Path

import pytest

from autoscaler.scaler.tls import Tls
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.api import Json
from tests.e2e.harness.outrider import scaled_objects
from tests.e2e.harness.scripted import ScriptedScaler
from tests.e2e.harness.target import Target, client_secret, landing
from tests.support.certificates import Authority, put

# A client learns of its refusal after the handshake: as it reads, or as it writes to a connection that is closed already.
CLOSED = ("EOF", "broken pipe", "connection reset by peer")


def test_untrusted_certificates_change_nothing(
    cluster: Cluster, namespace: str, scaler: ScriptedScaler, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A client from another authority, and one that trusts another: both targets keep their replicas until that is mended."""
    strangers = Authority("strangers")
    foreign = put(tmp_path, strangers.issue("stranger"))
    other = tmp_path / "ca.crt"
    other.write_bytes(strangers.certificate)
    known = cluster.identity("scaler-client")
    address = scaler.serve(Tls(*cluster.identity("scaler"), client_ca=cluster.authority))
    shows = {"unknown": (cluster.authority, foreign), "trusts-another": (other, known)}
    targets = [Target(cluster.api, namespace, name) for name in shows]
    for target in targets:
        client_secret(cluster.api, namespace, target.name, *shows[target.name])
        scaler.decide(target.key, 7)
        target.create(replicas=2)
        cluster.api.apply(*scaled_objects(target.policy, address, "--tls", target.name))

    def refused() -> bool:
        return all(refusal(each) is not None for each in targets)

    until(refused, 60, "ScaledObjects that are not Ready")
    landing(dict.fromkeys(targets, 2))
    assert not any(target.hpa() for target in targets)
    assert refused()
    handshakes = capfd.readouterr().err.count("CERTIFICATE_VERIFY_FAILED")
    print(f"the scaler: {handshakes} handshakes with an untrusted certificate")
    assert handshakes
    for target, causes in zip(targets, (CLOSED, ("certificate signed by unknown authority",)), strict=True):
        status = refusal(target)
        assert status is not None
        print(f"{target.name}: {status['reason']}: {status['message'].replace(namespace + '/', '')}")
        said = scaler_errors(cluster, target)
        print(f"{target.name}: the operator's log: {said}")
        assert status["reason"] == "ScaledObjectCheckFailed"
        assert any(cause in said for cause in causes)  # the status does not mention it

    for target in targets:
        client_secret(cluster.api, namespace, target.name, cluster.authority, known)
        edited = scaled_objects(target.policy, address, "--tls", target.name)
        edited[-1]["spec"]["cooldownPeriod"] += 1  # KEDA has read the Secret, and reads it again at an edit
        cluster.api.apply(*edited)
    for target, seconds in landing(dict.fromkeys(targets, 7)).items():
        print(f"{target.name}: 2 -> 7 in {seconds:.1f} s once its Secret is mended")


def refusal(target: Target) -> Json | None:
    """KEDA's condition that it is not Ready."""
    conditions = (target.scaled_object().get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if (each["type"], each["status"]) == ("Ready", "False")), None)


def scaler_errors(cluster: Cluster, target: Target) -> str:
    """The last error in the log of KEDA's operator about calling the scaler for this target."""
    log = cluster.components["keda-operator"].log.read_text()
    found = [
        line["error"]
        for line in (json.loads(text) for text in log.splitlines() if text.startswith("{") and text.endswith("}"))
        if line.get("logger") == "external_push_scaler"
        and (line.get("namespace"), line.get("name")) == (target.namespace, target.name)
    ]
    return found[-1] if found else ""
