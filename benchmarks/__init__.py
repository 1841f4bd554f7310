"""Benchmarks: each a module that runs alone."""
