"""Regenerates the committed protobuf code in place: `python -m autoscaler.scaler.generate` (needs the `dev` extra)."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROTO = "autoscaler/scaler/externalscaler.proto"  # relative to the root, so that the generated imports name the package


def generate(into: Path) -> None:
    """Write modules and stubs to `into`/autoscaler/scaler. Raises CalledProcessError where protoc fails."""
    scripts = Path(sys.executable).parent
    subprocess.run(  # noqa: S603  # our own interpreter and our own file
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"--proto_path={ROOT}",
            *(f"--plugin={name}={scripts / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")),
            f"--python_out={into}",
            f"--grpc_python_out={into}",
            f"--mypy_out={into}",
            f"--mypy_grpc_out=only_async:{into}",
            PROTO,
        ],
        check=True,
    )


if __name__ == "__main__":
    generate(ROOT)
