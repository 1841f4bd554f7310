"""What may be brought to nodes before a replica needs it: the image and the weights. Fields and rules."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from crds.notation import units
from crds.resolve.rules import Rule, quantity_between
from crds.v1alpha1.fields import Model, ObjectName, Quantity, shaped

# The roots are fixed, so that no policy can have a pod that mounts anything else of a node; the admission policies hold it too.
_STEP = r"(/[A-Za-z0-9][A-Za-z0-9._@-]*)"
CACHE_ROOT = rf"^/(mnt|var/lib/outrider){_STEP}{{1,7}}$"
CACHE_PATH = rf"^/(mnt|var/lib/outrider){_STEP}{{2,8}}$"
_IMAGE = r"^[a-z0-9][A-Za-z0-9._:/@-]*$"
Method = Literal["none", "image", "prefetch", "localModelCache"]

ImageReference = Annotated[
    str,
    Field(pattern=_IMAGE, max_length=512),
    shaped(_IMAGE, "not the reference of an image", "a reference such as registry.example.com/models/chat@sha256:..."),
]
CachePath = Annotated[
    str,
    Field(pattern=CACHE_PATH, max_length=256),
    shaped(
        CACHE_PATH,
        "not the folder of a model below /mnt or /var/lib/outrider: CACHE/MODEL of letters, digits, ., _, @ and -",
        "a path such as /mnt/models/chat-8b",
    ),
]


class Image(Model):
    """How the image of the target's pods comes to the nodes."""

    pre_pull: bool = False
    """Pull the image, and the OCI images that the pods mount as volumes, to every node that a replica may land on, as soon as
    the node registers. It needs no GPU, and overlaps with the installation of the GPU driver."""


class Prefetch(Model):
    """The container that copies the weights to a node's disk. It needs a namespace that Pod Security lets use hostPath volumes."""

    image: ImageReference = Field(examples=["amazon/aws-cli:2.31.0"])
    """Image with a shell and the program that copies the weights."""
    args: list[Annotated[str, Field(max_length=1024)]] = Field(
        min_length=1, max_length=32, examples=['["aws", "s3", "sync", "s3://models/chat-8b", "$(WEIGHTS_TARGET)"]']
    )
    """Command that copies the weights to the folder $(WEIGHTS_TARGET), with its arguments."""
    secret: ObjectName | None = Field(default=None, examples=["huggingface"])
    """Secret of the policy's namespace whose keys become environment variables of the container."""
    service_account_name: ObjectName | None = Field(default=None, examples=["model-reader"])
    """ServiceAccount of the policy's namespace that the container runs as, such as one with a cloud identity. Unset: no token."""
    path: CachePath = Field(examples=["/mnt/models/chat-8b"])
    """Folder on the node that the pods read the weights from. The folder above it is the cache, shared by the models there."""
    max_bytes: Quantity = Field(default="500G", examples=["500G"])
    """Size that the cache may have, from 1G to 100T. Weights that were needed longest ago make room."""


class LocalModelCache(Model):
    """A LocalModelCache of KServe, which copies the weights to the nodes itself."""

    name: ObjectName = Field(examples=["chat-8b"])
    """Name of the LocalModelCache. Outrider only reads it."""


class Weights(Model):
    """How the model's weights come to the nodes."""

    method: Method = "none"
    """none: a replica gets its weights itself. image: they are in an OCI image, pulled like the engine's. prefetch: a Job copies
    them to the node's disk. localModelCache: KServe does."""
    image: ImageReference | None = Field(default=None, examples=["registry.example.com/models/chat@sha256:0123abcd"])
    """Image with the weights, with method image; best by its digest."""
    prefetch: Prefetch | None = None
    """The container that copies the weights to a node's disk, with method prefetch."""
    local_model_cache: LocalModelCache | None = None
    """KServe's cache, with method localModelCache."""


def _belongs(method: str) -> tuple[Rule, Rule]:
    def missing(weights: dict[str, Any]) -> bool:
        return weights["method"] != method or method in weights

    def unused(weights: dict[str, Any]) -> bool:
        return method not in weights or weights["method"] == method

    return (
        Rule(
            "spec.weights",
            "method",
            f"self.method != '{method}' || has(self.{method})",
            f"the method {method} needs the field {method}",
            f"spec.weights.{method} beside it, or another method",
            missing,
        ),
        Rule(
            "spec.weights",
            "method",
            f"!has(self.{method}) || self.method == '{method}'",
            f"{method} is set, and another method is used",
            f"method: {method}, or no {method}",
            unused,
        ),
    )


FETCHING_RULES = (
    *(rule for method in get_args(Method)[1:] for rule in _belongs(method)),
    quantity_between("spec.weights.prefetch", "maxBytes", "1G", "100T"),
)


def byte_count(text: int | str) -> int:
    """A quantity of bytes, in whole ones."""
    return int(units.quantity(text))
