"""Stands in for the kubelet and for the vLLM engine of every pod that asks for `nvidia.com/gpu` and is bound to a node.

    python -m tests.e2e.standin --kubeconfig FILE --control 127.0.0.1:PORT

Stages last as long as a service's configuration says, and the engines serve a trace through the project's serving
model. What it does not do:

Kubelet
- run anything: no container, command, probe, hook, volume, log or exec; a container starts when its image is there
- know init containers, sidecars' own order, restarts, resize, or a pod's activeDeadlineSeconds (the Job controller's is
  obeyed, as any deletion is); `sleep N` ends after N seconds, and at once when it is told to go
- check GPUs or any other resource at admission; serve its own API, node leases or node conditions (KWOK keeps those)
- share bandwidth: each image and each set of weights takes its time, however many come at once; one item that several
  pods of a node want comes once; images are never collected, and `imagePullPolicy: Always` finds them, too
- evict, or end a pod because its node is NotReady; a pod goes when it is deleted or when its node is

Network
- give pods addresses of their own across ports: services of different ports may have one address twice
- give an address to pods that serve nothing; route Services

Engine
- answer anything but `/metrics`: no completions, no /health; the requests come from the trace, not from the network
- keep histogram buckets (only +Inf), or more than the families that an autoscaler reads
- answer while it drains: the listener closes when the pod's deletion is asked for, though its requests finish
- remember: when this process starts again it takes up services (kept beside the kubeconfig) and pods, but the engines
  and their score start at zero, requests from before are lost, and a pod that was still loading loads anew
"""
