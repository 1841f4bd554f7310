"""Recorded traffic through the whole chain, at five times the clock, for two services side by side.

One is scaled by Outrider, the other by the reactive ScaledObject of the benchmarks. Each has a namespace and a pool of
nodes of its own; requests, hardware and cold starts are the same.
"""
