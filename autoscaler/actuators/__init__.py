"""What prepares capacity ahead of replicas. Each degrades to a longer lead and never blocks a scale-up."""
