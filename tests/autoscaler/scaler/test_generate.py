import re
import tomllib
from pathlib import Path

import google.protobuf
import grpc
import pytest

from autoscaler.scaler import externalscaler_pb2_grpc
from autoscaler.scaler.externalscaler_pb2 import DESCRIPTOR
from autoscaler.scaler.generate import ROOT, generate

ROOM = Path("autoscaler/scaler")


def test_regenerating_changes_nothing(tmp_path: Path) -> None:
    """0.3 s, which protoc takes."""
    generate(tmp_path)
    made = sorted(path.name for path in (tmp_path / ROOM).iterdir())
    assert made == sorted(path.name for path in (ROOT / ROOM).glob("externalscaler_pb2*"))
    for name in made:
        assert (tmp_path / ROOM / name).read_text() == (ROOT / ROOM / name).read_text(), name


def test_the_wire_contract() -> None:
    """The numbers and types of KEDA v2.20."""
    fields = {
        message.name: [(field.number, field.name, field.type) for field in message.fields]
        for message in DESCRIPTOR.message_types_by_name.values()
    }
    string, boolean, message, integer, double = 9, 8, 11, 3, 1
    assert DESCRIPTOR.package == "externalscaler"
    assert fields == {
        "ScaledObjectRef": [(1, "name", string), (2, "namespace", string), (3, "scalerMetadata", message)],
        "IsActiveResponse": [(1, "result", boolean)],
        "GetMetricSpecResponse": [(1, "metricSpecs", message)],
        "MetricSpec": [(1, "metricName", string), (2, "targetSize", integer), (3, "targetSizeFloat", double)],
        "GetMetricsRequest": [(1, "scaledObjectRef", message), (2, "metricName", string)],
        "GetMetricsResponse": [(1, "metricValues", message)],
        "MetricValue": [(1, "metricName", string), (2, "metricValue", integer), (3, "metricValueFloat", double)],
    }
    service = DESCRIPTOR.services_by_name["ExternalScaler"]
    assert {method.name: method.server_streaming for method in service.methods} == {
        "IsActive": False,
        "StreamIsActive": True,
        "GetMetricSpec": False,
        "GetMetrics": False,
    }


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


@pytest.mark.parametrize("package", ["grpcio", "protobuf"])
def test_the_declared_floors_can_load_the_generated_code(package: str) -> None:
    generated = (ROOT / ROOM / "externalscaler_pb2.py").read_text()
    needs = {
        "grpcio": externalscaler_pb2_grpc.GRPC_GENERATED_VERSION,
        "protobuf": generated.partition("# Protobuf Python Version: ")[2].partition("\n")[0],
    }
    assert version(grpc.__version__) >= version(needs["grpcio"])
    assert version(google.protobuf.__version__) >= version(needs["protobuf"])
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    floor = next(line for line in declared if re.match(rf"{package}\b(?!-)", line))
    assert version(floor) >= version(needs[package])
