"""What can go wrong in the core: only that what it is handed does not fit."""


class PolicyError(Exception):
    """Root of the core's errors."""


class CodecError(PolicyError):
    """A text is not the encoded value that it should be."""


class LogError(PolicyError):
    """A decision log cannot be read; the message names the line."""
