"""Starts a real control plane as plain processes: etcd, Kubernetes, KWOK, Karpenter, KEDA, Prometheus.

What it is not: a network (every pod is on loopback, and no Service routes), a kubelet (see `tests/e2e/standin`), a DNS
server, or durable (etcd does not sync to disk, and the folder goes with the cluster).
"""

from tests.e2e.harness.cluster import Cluster
from tests.e2e.harness.process import Process
from tests.e2e.harness.waiting import until

__all__ = ["Cluster", "Process", "until"]
