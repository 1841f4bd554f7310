"""What is reported to the cluster: the status of each policy, and its Events."""
