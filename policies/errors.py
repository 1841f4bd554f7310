"""The core's errors: input that does not fit."""


class PolicyError(Exception):
    """Base class of the core's errors."""


class NotFiniteError(PolicyError, ValueError):
    """A number of the inputs, or of the state that would follow, is not finite; the message names it."""


class CodecError(PolicyError):
    """A text is not the encoding of the expected type."""


class LogError(PolicyError):
    """A decision log cannot be read; the message names the line."""
