"""What GPUs were for and what they cost, from decision logs: by workload, owner and day."""
