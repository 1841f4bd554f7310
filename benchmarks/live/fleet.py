"""The fleet: which policies and pods there are, where each pod is, and its traffic. Every process makes it from three numbers."""

import math
from dataclasses import dataclass

IDS = "bcdfghjklmnpqrstvwxz2456789"  # the characters of generated names
PER_NAMESPACE = 20  # policies

REQUESTS_PER_SECOND = 0.8  # of each pod, about half of what it can serve
SWING, PERIOD_SECONDS = 0.3, 900.0
REQUEST_SECONDS = 12.0  # from its arrival to its end
PROMPT_TOKENS, GENERATION_TOKENS = 500, 200
QUEUE, QUEUE_SECONDS, QUEUE_EVERY_SECONDS = 4, 30.0, 600.0  # a queue now and then


@dataclass(frozen=True)
class Fleet:
    """`pods` shared evenly by `policies`."""

    policies: int
    pods: int

    @property
    def names(self) -> list[tuple[str, str]]:
        """Namespace and name of each policy, which is also its Deployment's name."""
        return [(f"team-{n // PER_NAMESPACE:03d}", f"model-{n:04d}") for n in range(self.policies)]

    def pods_of(self, policy: int) -> range:
        """The numbers of a policy's pods."""
        return range(policy, self.pods, self.policies)


def address(pod: int) -> str:
    """The pod's own loopback address."""
    return f"127.{1 + pod // 62_500}.{pod // 250 % 250}.{1 + pod % 250}"


def at_address(ip: str) -> int:
    """The pod that has this address."""
    _, high, middle, low = map(int, ip.split("."))
    return (high - 1) * 62_500 + middle * 250 + low - 1


def identifier(pod: int) -> str:
    """The last five characters of the pod's name."""
    found = ""
    for _ in range(5):
        pod, digit = divmod(pod, len(IDS))
        found += IDS[digit]
    return found


def numbers(policy: int, age_seconds: float) -> dict[bytes, int]:
    """What fills in a pod's page (`body.MOVING`), that long after it started."""
    begun = int(_arrived(policy, age_seconds - 0.5))
    finished = int(_arrived(policy, age_seconds - REQUEST_SECONDS))
    queued = (age_seconds + 37.0 * policy) % QUEUE_EVERY_SECONDS < QUEUE_SECONDS
    return {
        b"running": begun - finished,
        b"waiting": QUEUE if queued else 0,
        b"awake": 1,
        b"finished": finished,
        b"first_tokens": begun,
        b"prompt_tokens": PROMPT_TOKENS * begun,
        b"generation_tokens": int(GENERATION_TOKENS * _arrived(policy, age_seconds - REQUEST_SECONDS / 2.0)),
        b"finished_prompt_tokens": PROMPT_TOKENS * finished,
        b"finished_generation_tokens": GENERATION_TOKENS * finished,
    }


def _arrived(policy: int, age_seconds: float) -> float:
    """Requests since the start: the integral of a rate that swings, each policy in its own phase."""
    turns = 2.0 * math.pi / PERIOD_SECONDS
    swing = SWING / turns * (1.0 - math.cos(turns * age_seconds + policy))
    return REQUESTS_PER_SECOND * (age_seconds + swing)
