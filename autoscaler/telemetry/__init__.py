"""What Outrider reports about itself: metrics and logs, without secrets."""
