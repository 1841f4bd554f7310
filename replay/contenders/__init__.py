"""Outrider and its peers, each as it would really run: what it sees, how old that is, and its own arithmetic."""
