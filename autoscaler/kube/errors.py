"""How a call to the Kubernetes API can fail, split by what the caller does about it."""
# ruff: noqa: N818 - the names are those of the API's answers, and the base class says that they are errors


class KubeError(Exception):
    """A call failed. The text names the call and the reason."""


class NotConfigured(KubeError):
    """There is no usable configuration: nothing was called."""


class Unavailable(KubeError):
    """No answer, or an unreadable one: try again later, and keep the last good content."""


class TimedOut(Unavailable):
    """No answer in time: the API may have been away since it was last heard from."""


class Gone(KubeError):
    """The resource version is too old: list again."""


class NotFound(KubeError):
    """The object, or its kind, does not exist."""


class Conflict(KubeError):
    """The object exists already, or is not the one that a precondition named."""


class Forbidden(KubeError):
    """Not permitted (401, 403), or a quota is exhausted: a person has to act."""


class Rejected(KubeError):
    """The API finds the request invalid (400, 422, other 4xx): repeating it does not help."""
