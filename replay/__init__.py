"""The offline shell: traces, a simulated cluster in virtual time, contenders, scores."""
