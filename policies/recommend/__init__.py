"""Recommenders: each says how many replicas it would have, and why. None knows of the others."""
