"""A weights prefetch as an object: a Job whose one container copies a model's weights to the disk of one node.

The policy gives the program that copies; what is around it is Outrider's. The model's folder appears whole or not at all. The
cache has a limit, and what no Job has asked for in a week goes: the next Job on the node sees to both, without the controller.
A Job that is deleted while it copies takes its half with it; of one that is killed, the next Job on the node removes it.
"""

import posixpath
from typing import Any

from autoscaler.actuators.manifest import pod_restrictions
from autoscaler.actuators.prepull import Content, Form
from autoscaler.kube.ours import short_hash
from crds.workload import Prefetch, Workload
from policies.supply import StageName

REFRESH_SECONDS = 6 * 3600  # an ended Job stays as long; the next one marks the weights as wanted
KEPT_HOURS = 12  # weights that were wanted within these are never removed for others
EXPIRES_HOURS = 7 * 24
CACHE = "/cache"
RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}

CHECK_SECONDS = 10  # between looks at how large the cache has become while weights are copied

# Folders without the mark are not Outrider's, and are left alone. Not used: find, which images such as amazon/aws-cli lack.
SCRIPT = f"""set -eu
mark=.outrider-ready
cd "$WEIGHTS_CACHE"
hours() {{ echo $((($(date +%s) - $(stat -c %Y "$1" 2>/dev/null || date +%s)) / 3600)); }}
for old in .*.part; do
  if [ -d "$old" ] && [ "$(hours "$old")" -ge 24 ]; then rm -rf "$old"; fi
done
for old in */$mark; do
  if [ ! -e "$old" ] || [ "$old" = "$WEIGHTS_MODEL/$mark" ]; then continue; fi
  if [ "$(hours "$old")" -ge {EXPIRES_HOURS} ]; then rm -rf "${{old%/*}}"; fi
done
end_if_there() {{
  if [ -e "$WEIGHTS_MODEL/$mark" ]; then touch "$WEIGHTS_MODEL/$mark"; exit 0; fi
  rmdir "$WEIGHTS_MODEL" 2>/dev/null || : # empty: a pod that mounts it was first
  if [ -e "$WEIGHTS_MODEL" ]; then echo "$WEIGHTS_MODEL is there and was not made by Outrider" >&2; exit 4; fi
}}
end_if_there
over() {{ [ "$(du -sk . | cut -f1)" -gt "$WEIGHTS_MAX_KIB" ]; }}
make_room() {{
  while over; do
    oldest=
    for old in */$mark; do
      if [ ! -e "$old" ] || [ "$(hours "$old")" -lt {KEPT_HOURS} ]; then continue; fi
      if [ -z "$oldest" ] || [ "$old" -ot "$oldest" ]; then oldest=$old; fi
    done
    if [ -z "$oldest" ]; then echo "the cache is full: raise maxBytes or take models away" >&2; return 3; fi
    rm -rf "${{oldest%/*}}"
  done
}}
rm -rf "$WEIGHTS_TARGET"
trap 'rm -rf "$WEIGHTS_TARGET"' EXIT
mkdir "$WEIGHTS_TARGET"
make_room || exit
end() {{ kill -9 ${{copy-}} ${{watch-}} 2>/dev/null || :; }} # a shell that has just been forked may lose a gentler signal
trap 'end; exit 143' TERM # the Job is deleted: a shell that is process 1 would ignore it
"$@" &
copy=$!
(while sleep "${{WEIGHTS_CHECK_SECONDS:-{CHECK_SECONDS}}}" >/dev/null 2>&1; do make_room || {{ kill -9 $copy; exit; }}; done) &
watch=$!
result=0
wait $copy || result=$?
end
make_room || exit
[ $result -eq 0 ] || exit $result
end_if_there # another policy's Job was faster
touch "$WEIGHTS_TARGET/$mark"
mv "$WEIGHTS_TARGET" "$WEIGHTS_MODEL"
trap - EXIT
"""
COMMAND = ("sh", "-c", SCRIPT, "outrider")
ENVIRONMENT = ("WEIGHTS_CACHE", "WEIGHTS_MODEL", "WEIGHTS_TARGET", "WEIGHTS_MAX_KIB", "HOME")


def prefetch_content(workload: Workload, prefetch: Prefetch, deadline_seconds: int) -> Content:
    """What brings the weights to a node."""
    cache, model = posixpath.split(prefetch.path)
    part = f"{CACHE}/.{model}.{short_hash(workload.uid)}.part"
    values = (CACHE, model, part, str(prefetch.max_bytes // 1024), "/tmp")  # noqa: S108 - in the container
    pod_spec: dict[str, Any] = {
        **({"serviceAccountName": prefetch.service_account} if prefetch.service_account else {}),
        **pod_restrictions(),
        # The kubelet makes the folder for root alone.
        "securityContext": {"runAsUser": 0, "runAsGroup": 0, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "prefetch",
                "image": prefetch.image,
                "command": list(COMMAND),
                "args": list(prefetch.args),
                "env": [{"name": name, "value": value} for name, value in zip(ENVIRONMENT, values, strict=True)],
                **({"envFrom": [{"secretRef": {"name": prefetch.secret}}]} if prefetch.secret else {}),
                "resources": RESOURCES,
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [{"name": "cache", "mountPath": CACHE}, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
            }
        ],
        "volumes": [
            {"name": "cache", "hostPath": {"path": cache, "type": "DirectoryOrCreate"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        ],
    }
    return Content(prefetch.path, StageName.WEIGHTS, Form.WEIGHTS, pod_spec, deadline_seconds, REFRESH_SECONDS)


def reads(template_spec: dict[str, Any], path: str) -> bool:
    """Whether a pod mounts a folder of its node in which these weights are."""
    mounted = [(volume.get("hostPath") or {}).get("path") or "" for volume in template_spec.get("volumes") or ()]
    return any(at and f"{path}/".startswith(f"{at.rstrip('/')}/") for at in mounted)
