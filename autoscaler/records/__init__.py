"""What outlives the process: the decision log, written and read, and the state of every policy."""
