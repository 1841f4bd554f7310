"""The demo: a simulated cluster and the live controller as processes of their own, and a view of both."""
