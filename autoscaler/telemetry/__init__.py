"""What Outrider tells of itself: metrics, logs, and no secrets in either."""
