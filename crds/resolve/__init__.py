"""Custom resources read: what a valid one becomes, and the problems of any other."""
