"""Recommenders: each gives the replicas that it wants, and why. They are independent of each other."""
