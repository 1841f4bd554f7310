"""Prometheus, which discovers the engines' pods as in a real cluster."""

from pathlib import Path

import yaml

from tests.e2e.components import program
from tests.e2e.harness.process import Process

SCRAPE_SECONDS = 3  # a fifth of the usual 15
ENGINE_PORT_ANNOTATION = "prometheus.io/port"


def prometheus(folder: Path, kubeconfig: Path, port: int) -> Process:
    """Prometheus that scrapes every running pod with the port annotation, with labels `namespace` and `pod`."""
    annotated = "__meta_kubernetes_pod_annotation_prometheus_io_port"
    relabel = [
        {"source_labels": [annotated], "action": "keep", "regex": r"\d+"},
        {"source_labels": ["__meta_kubernetes_pod_phase"], "action": "keep", "regex": "Running"},
        {
            "source_labels": ["__meta_kubernetes_pod_ip", annotated],
            "regex": "(.+);(.+)",
            "replacement": "$1:$2",
            "target_label": "__address__",
        },
        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
    ]
    job = {
        "job_name": "engines",
        "kubernetes_sd_configs": [{"role": "pod", "kubeconfig_file": str(kubeconfig)}],
        "relabel_configs": relabel,
    }
    config = folder / "prometheus.yaml"
    timing = {"scrape_interval": f"{SCRAPE_SECONDS}s", "scrape_timeout": "2s", "evaluation_interval": "3s"}
    command = [
        str(program("prometheus")),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    settings = {"global": timing, "scrape_configs": [job]}
    return Process("prometheus", command, folder, files={config: yaml.safe_dump(settings)})
