"""API types -> CRD YAML; custom resource -> workload, or a list of problems."""
