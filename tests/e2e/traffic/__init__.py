"""Recorded traffic through the whole chain, five times as fast, for two workloads side by side.

One is scaled by Outrider, the other by the benchmarks' reactive ScaledObject. Each has its own namespace and node pool;
requests, hardware and cold starts are the same.
"""
