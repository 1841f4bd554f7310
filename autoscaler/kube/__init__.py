"""Kubernetes as the shell sees it: raw objects, our own errors, watched collections. Only `client` knows the library."""
