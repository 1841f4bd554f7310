"""Arrays in, quantile forecasts out. No I/O, no clock."""
