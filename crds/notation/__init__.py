"""How units, label selectors and times are written in Kubernetes objects."""
