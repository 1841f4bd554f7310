"""Starts a real control plane as plain processes: etcd, Kubernetes, KWOK, Karpenter, KEDA, Prometheus.

What it does not have: a network (every pod is on loopback, and Services do not route), a kubelet (see
`tests/e2e/standin`), DNS, or durable storage (etcd does not sync to disk, and the folder goes with the cluster).
"""

from tests.e2e.harness.cluster import Cluster
from tests.e2e.harness.process import Process
from tests.e2e.harness.waiting import until

__all__ = ["Cluster", "Process", "until"]
