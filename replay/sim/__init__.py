"""A simulated cluster in virtual time: serving, staged cold starts, nodes and their bill, the HPA's arithmetic."""
