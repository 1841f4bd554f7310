"""A user's own kustomization: the manifests with components and settings."""

import os
from collections.abc import Iterable
from pathlib import Path

import yaml

from tests.e2e.harness.cluster import DEPLOY
from tests.e2e.harness.outrider import NAMESPACE


def values(folder: Path, components: Iterable[str], **settings: str) -> str:
    """Write it into the folder, as docs/install.md does, and return the folder for `kubectl apply -k`."""
    deploy = os.path.relpath(DEPLOY, folder)
    merged = {
        "name": "outrider",
        "namespace": NAMESPACE,
        "behavior": "merge",
        "literals": [f"OUTRIDER_{name.upper()}={value}" for name, value in settings.items()],
    }
    own = {
        "resources": [deploy],
        "components": [f"{deploy}/components/{name}" for name in components],
        "configMapGenerator": [merged],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(own))
    return str(folder)
