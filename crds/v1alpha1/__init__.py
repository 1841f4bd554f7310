"""The API `outrider.dev/v1alpha1`: its models are the source of the CRD, of the reference page and of `outrider check`."""

from crds.v1alpha1.policy import GROUP, VERSION, ScalingPolicy
from crds.v1alpha1.spec import Spec
from crds.v1alpha1.status import Status

__all__ = ["GROUP", "VERSION", "ScalingPolicy", "Spec", "Status"]
