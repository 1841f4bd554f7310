"""Stands in for the kubelets of all nodes, and for the vLLM engine of every pod that is a replica of a workload.

    python -m tests.e2e.standin --kubeconfig FILE --control 127.0.0.1:PORT

As a kubelet it pulls images from a node's registration on, for any pod that is bound to the node, one at a time; it
writes the Events, conditions, container states and image lists of those pulls, and adds GPUs to a node some time after
its registration (annotations of the Node: `disk.py`). Weights, and the graphs in a compile cache, stay on the node that
has them. Stages last as long as a workload's configuration says, and the engines serve a trace through the project's
serving model. What it does not do:

Kubelet
- run anything: no container, command, probe, hook, volume, log or exec; a container starts when its image is there
- support init containers, the order of sidecars, restarts, resizing or a pod's activeDeadlineSeconds (the Job
  controller enforces its own by deletion); `sleep N` ends after N seconds, `pause` never, other containers of a Job as
  soon as they have started, and all of them at once when the pod is deleted
- check GPUs or any other resource at admission; serve its own API, node leases or node conditions (KWOK keeps those)
- share bandwidth, but for this: images take 1.15 times as long while weights are fetched to the same node, and weights
  while an image is; several of either do not slow one another; pods of one node share a fetch, which also goes on after
  its pod has gone; images are never garbage-collected, and `imagePullPolicy: Always` uses them, too
- know how large an image is, its digest or its layers, shorten the image list of a node to 50, or set DiskPressure
- load from or write to a volume: weights are there once a replica or a prefetch Job has fetched them
- evict, or end a pod because its node is NotReady; a pod ends when it or its node is deleted

Network
- keep addresses unique across ports: workloads on different ports may get the same address
- give an address to pods that serve nothing; route Services

Engine
- answer anything but `/metrics` and, where a workload's engines say their stages, `/readiness/stages`, as it is proposed
  upstream: no completions, no /health; the requests come from the trace, not from the network
- have histogram buckets other than +Inf, or families that no autoscaler reads
- answer while it drains: the listener closes when the pod's deletion begins, though its requests finish
- survive a restart of this process: workloads (saved beside the kubeconfig) and pods are resumed, but the engines and
  their score start at zero, earlier requests are lost, and a pod that was loading starts to load again
"""
