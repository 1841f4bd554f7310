"""Starts of replicas, read from what the cluster shows of them: pods, nodes, NodeClaims and the kubelet's Events.

Pure but for `watches`: objects in, spans and observations out. Not here: what is learned of them (`policies.ledger`).
"""
