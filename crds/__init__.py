"""API types -> CRD YAML; custom resource -> policy, or a list of problems."""
