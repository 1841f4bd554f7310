"""What ran beside what Outrider asked for, from decision logs: folded decision by decision, in bounded memory."""
