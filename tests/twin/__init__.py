"""A control twin: the same load is played twice through the real parser, the worker's inputs and the core, once with faults.

What it does not do: sockets, Prometheus, KEDA's delays, forecasts that were fitted, or pools. Its pods are a queue with a
constant service rate and evenly spread requests; `tests/replay/sim` has an engine that is held to a recorded one.
"""
