"""A burst that doubles the replicas, on nine workloads side by side: three kinds of node, three ways to start.

Stages last as the profile 8b-l4 has them at the median, five times as fast, and so do all control periods.
"""
