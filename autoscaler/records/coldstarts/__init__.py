"""Cold starts of the replicas of each policy, from decision logs."""
