"""The standby of pools: whole nodes that are held for whichever member needs one next."""
