"""What can go wrong between us and the Kubernetes API, split by what the caller does about it."""
# ruff: noqa: N818 - they read as what the API said, and their root says that they are errors


class KubeError(Exception):
    """The API refused or did not answer. The text names the call and the reason."""


class Unavailable(KubeError):
    """No answer, a late one, or one that cannot be read: try again later, keep the last good content."""


class TimedOut(Unavailable):
    """No answer in time: the API may have been away since it was last heard from."""


class Gone(KubeError):
    """The resource version is too old: list again."""


class NotFound(KubeError):
    """The object, or its kind, does not exist."""


class Conflict(KubeError):
    """It exists already, or is not the one that a precondition named."""


class Forbidden(KubeError):
    """No right to do this (401, 403), or a quota is full: a person has to act."""


class Rejected(KubeError):
    """The API holds the request to be wrong (400, 422, other 4xx): repeating it does not help."""
