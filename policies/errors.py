"""The core's errors. The only one is input that does not fit."""


class PolicyError(Exception):
    """Base class of the core's errors."""


class CodecError(PolicyError):
    """A text is not the encoding of the expected type."""


class LogError(PolicyError):
    """A decision log cannot be read; the message names the line."""
