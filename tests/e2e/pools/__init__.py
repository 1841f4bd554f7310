"""Pools on the real control plane: NodePools as offerings, members that share them, and one standby node for all."""
