"""What keeps one policy going: the registry of policies, their runtimes, the loop that decides, and what acts beside it."""
