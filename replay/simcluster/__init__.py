"""A cluster with one LLM service, simulated in scenario time and served on the real protocols.

It stands in for a real cluster where none is at hand: the Kubernetes API, vLLM's `/metrics` on each pod's own address,
Prometheus, and KEDA with its HPA. One process, loopback only. What it does not do:

Kubernetes
- know anyone: no authentication, no RBAC, no TLS; every request may do everything that is served
- serve more than ScalingPolicies, Pods, Deployments with /scale, Jobs and Events; no Nodes, no Secrets, no Leases
- run more than one service: one ScalingPolicy, one Deployment, one kind of node
- check a ScalingPolicy after the start against its schema, or fill in its defaults; it is served as it was written
- read formats other than JSON, or patches other than merge patches; page through lists; print tables; dry-run
- delete Pods or Deployments by hand; delete in the Foreground or leave orphans, or run finalizers
- look at a Job's node selector, affinity, tolerations, quota or priority class: its pod takes one replica's GPUs,
  and gives way to a replica; one pod for each Job, which never completes by itself; unknown fields are kept
- roll out a changed template, restart a crashed container, fail a probe

vLLM
- answer anything but the metrics: no completions, no /health
- keep histogram buckets (only +Inf), or more than the families that an autoscaler reads
- answer while it drains: the listener closes when the pod's deletion is asked for, though its requests finish

Prometheus
- evaluate PromQL, but for a selector, `sum(...)` and `rate(...[window])` of one, and their combination
- scrape anything but the service's pods; know rules, alerts, metadata, federation or remote write

KEDA and the HPA
- follow more than the one ScaledObject that `outrider scaledobject` prints for the policy: one external-push trigger
  without TLS, one metric, AverageValue; no fallback, no idle replicas, no pausing, no scaling to zero
- speak through the external metrics API: KEDA's answer goes to the HPA's arithmetic within the process
"""
