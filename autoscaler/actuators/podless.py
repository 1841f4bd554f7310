"""Since when a balloon's Job has had no pod, by this controller's own clock: the API server's may be another."""

from collections.abc import Iterable

from autoscaler.kube.objects import Key

LIMIT_SECONDS = 8.0  # a Job controller needs far less than a second; the Job is let go within 12 s, a turn later


class Podless:
    """What a restart forgets is seen again after it, and waited for once more."""

    def __init__(self) -> None:
        self._since: dict[Key, float] = {}
        self._made: set[Key] = set()  # not seen in any list yet

    def made(self, jobs: Iterable[Key], now_seconds: float) -> None:
        """These Jobs are about to be made."""
        for job in jobs:
            self._since[job] = now_seconds
            self._made.add(job)

    def stuck(self, namespace: str, lacking: frozenset[str], now_seconds: float) -> frozenset[str]:
        """Of the Jobs of a namespace that have no pod now, those that have had none for too long."""
        present = {Key(namespace, name) for name in lacking}
        self._made -= present
        for job in present:
            self._since.setdefault(job, now_seconds)
        for job in [job for job in self._since if job.namespace == namespace and job not in present | self._made]:
            del self._since[job]
        return frozenset(job.name for job in present if now_seconds - self._since[job] >= LIMIT_SECONDS)
