"""The demo: a simulated cluster and the live controller, each in its own process, and a view of both."""
