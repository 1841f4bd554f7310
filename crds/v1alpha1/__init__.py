"""The API `outrider.dev/v1alpha1`: its models are the source of the CRDs, of the reference pages and of `outrider check`."""
