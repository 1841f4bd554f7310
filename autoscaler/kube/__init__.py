"""Kubernetes as the shell sees it: raw objects, our errors, watched collections. Only `client` knows the library."""
