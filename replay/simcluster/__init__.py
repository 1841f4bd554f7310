"""A cluster with LLM workloads, simulated in scenario time and served on the real protocols.

It replaces a real cluster for demos and tests: the Kubernetes API, vLLM's `/metrics` on each pod's own address,
Prometheus, and KEDA with its HPA. One process, loopback only. What it does not do:

Kubernetes
- authentication, RBAC or TLS: every client may do everything
- serve anything but ScalingPolicies, GPUPools, Namespaces, Pods, Nodes, Deployments with /scale, Jobs, Events, ResourceQuotas
  (there are none) and the PriorityClass of balloons; no Secrets, no Leases, no NodeClaims, no CapacityBuffers
- show heartbeats of a node, or more of a kubelet's Events than those of image pulls
- run several workloads but those of a scenario with their pool: all on one port and path, with one image, in namespaces that
  exist from the start; create or delete a ScalingPolicy or a GPUPool later
- bring images and weights to nodes by Jobs: such a Job is taken for a balloon
- validate a ScalingPolicy that is changed after the start, or fill in its defaults then
- read formats other than JSON, or patches other than merge patches; page through lists; dry-run
- print as many columns as `kubectl get` shows of built-in kinds on a real cluster
- delete Pods or Deployments on request; delete in the foreground, orphan dependents, or run finalizers
- honour a Job's node selector (but that of a GPUPool's Job, which chooses an offering), affinity, tolerations, quota or priority
  class: its pod takes one replica's GPUs, or the whole node of an offering, and is preempted by a replica; each Job has one pod,
  which never completes by itself; unknown fields are kept
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
