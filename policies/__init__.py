"""The pure core: state and inputs in, a plan with its reasons out. No clock, no I/O, no third-party packages."""
