"""A cluster with one LLM workload, simulated in scenario time and served on the real protocols.

It replaces a real cluster for demos and tests: the Kubernetes API, vLLM's `/metrics` on each pod's own address,
Prometheus, and KEDA with its HPA. One process, loopback only. What it does not do:

Kubernetes
- authentication, RBAC or TLS: every client may do everything
- serve anything but ScalingPolicies, Pods, Nodes, Deployments with /scale, Jobs, Events, ResourceQuotas (there are none)
  and the PriorityClass of balloons; no Secrets, no Leases
- show heartbeats of a node, or more of a kubelet's Events than those of image pulls
- run more than one workload: one ScalingPolicy, one Deployment, one kind of node
- validate a ScalingPolicy that is changed after the start, or fill in its defaults then
- read formats other than JSON, or patches other than merge patches; page through lists; dry-run
- print as many columns as `kubectl get` shows of built-in kinds on a real cluster
- delete Pods or Deployments on request; delete in the foreground, orphan dependents, or run finalizers
- honour a Job's node selector, affinity, tolerations, quota or priority class: its pod takes one replica's GPUs and is
  preempted by a replica; each Job has one pod, which never completes by itself; unknown fields are kept
- name a Deployment's pods NAME-HASH-ID: they are NAME-1, NAME-2 and so on, which history does not take for its pods
- roll out a changed template, restart a crashed container, or fail a probe

vLLM
- answer anything but the metrics: no completions, no /health
- have histogram buckets other than +Inf, or families that no autoscaler reads
- answer while it drains: the listener closes when the pod's deletion begins, though its requests finish

Prometheus
- evaluate PromQL other than a selector, `rate(...[window])` or `count_over_time` of one, `sum` and `max` of that, and `time()`
- scrape anything but the workload's pods; support rules, alerts, metadata, federation or remote write

KEDA and the HPA
- support any ScaledObject but the one that `outrider scaledobject` prints for the policy: one external-push trigger
  without TLS, one metric, AverageValue; no fallback, no idle replicas, no pausing, no scaling to zero
- use the external metrics API: KEDA's value goes to the HPA's arithmetic within the process
"""
