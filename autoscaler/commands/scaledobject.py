"""Print the KEDA ScaledObject that makes the HPA land on exactly what Outrider decides."""

import sys
import textwrap
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from crds.completion import policy_files

if TYPE_CHECKING:
    from crds.workload import Workload

_FLAGS = {
    "metadata.name": "NAME",
    "metadata.namespace": "--namespace",
    "spec.target.name": "--target",
    "spec.target.kind": "--kind",
    "spec.target.apiVersion": "--api-version",
    "spec.minReplicas": "--min",
    "spec.maxReplicas": "--max",
}


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Name of the ScalingPolicy and of the ScaledObject.")
    ] = None,
    *,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            "-f",
            help="Read the policies from this file; - reads standard input.",
            autocompletion=policy_files,
        ),
    ] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace of the policy.")] = None,
    target: Annotated[str | None, typer.Option(help="Name of the target. Default: NAME.")] = None,
    kind: Annotated[str | None, typer.Option(help="Kind of the target. Default: Deployment.")] = None,
    api_version: Annotated[str | None, typer.Option(help="API version of the target. Default: apps/v1.")] = None,
    min_replicas: Annotated[int | None, typer.Option("--min", help="Minimum number of replicas. Default: 1.")] = None,
    max_replicas: Annotated[int | None, typer.Option("--max", help="Maximum number of replicas.")] = None,
    scaler_address: Annotated[
        str, typer.Option(help="Where KEDA reaches Outrider.")
    ] = "outrider.outrider-system.svc:6000",
    tls: Annotated[
        str | None,
        typer.Option(
            metavar="SECRET",
            help="Use TLS with ca.crt, tls.crt and tls.key of this Secret; adds a TriggerAuthentication.",
        ),
    ] = None,
    kubernetes_version: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="Kubernetes version of the cluster, such as 1.33. Below 1.35, hpaTolerance is added, with a comment that "
            "says what the HPA does differently.",
        ),
    ] = None,
) -> None:
    """Print the KEDA ScaledObject that makes the HPA land on exactly what Outrider decides.

    For one policy by NAME with --max, or for the policies of a file with -f. Exit code 2: invalid input.

    Examples:
        outrider scaledobject -f chat.yaml | kubectl apply -f -
        outrider scaledobject chat --namespace llm --max 24
    """
    import yaml

    from crds import keda
    from crds.files import PolicyFileError

    given = {
        "target": {"name": target, "kind": kind, "apiVersion": api_version},
        "minReplicas": min_replicas,
        "maxReplicas": max_replicas,
    }
    try:
        version = None if kubernetes_version is None else keda.kubernetes_version(kubernetes_version)
        if file is not None:
            if any(value is not None for value in (target, kind, api_version, min_replicas, max_replicas)):
                raise ValueError(
                    "with -f, the target and the bounds come from the file: leave out --target, --kind, --api-version, "
                    "--min and --max"
                )
            workloads = _from_file(file, name, namespace)
        else:
            workloads = [_from_flags(name, namespace or "default", given)]
    except PolicyFileError as error:
        _refuse(str(error))
    except ValueError as error:
        _refuse(f"outrider scaledobject: {error}")
    wiring = keda.Wiring(scaler_address, tls, keda.hpa_tolerance(version))
    documents = []
    for workload in workloads:
        lines = [line for text in keda.remarks(workload, version) for line in textwrap.wrap(text, 98)]
        comments = "".join(f"# {line}\n" for line in lines)
        objects = keda.manifests(workload, wiring)
        documents.append(comments + "---\n".join(yaml.safe_dump(one, sort_keys=False, width=120) for one in objects))
    print("---\n".join(documents), end="")


def _refuse(why: str) -> NoReturn:
    print(why, file=sys.stderr)
    raise typer.Exit(2) from None


def _from_flags(name: str | None, namespace: str, given: dict[str, Any]) -> "Workload":
    from crds.kinds import SCALING_POLICY
    from crds.v1alpha1.resource import API_VERSION
    from crds.workload import Workload

    if name is None:
        raise ValueError("give the NAME of a policy, or -f FILE")
    if given["maxReplicas"] is None:
        raise ValueError("--max is required, since KEDA would default to 100; write --max 8")
    given["target"]["name"] = given["target"]["name"] or name
    metadata = {"name": name, "namespace": namespace}
    raw = {"apiVersion": API_VERSION, "kind": SCALING_POLICY.name, "metadata": metadata, "spec": given}
    found = SCALING_POLICY.resolve(raw)
    if isinstance(found, Workload):
        return found
    lines = [f"{_FLAGS.get(it.path, it.path)} {it.value}: {it.why}; instead: {it.instead}" for it in found]
    raise ValueError("\n".join(lines))


def _from_file(file: str, name: str | None, namespace: str | None) -> "list[Workload]":
    from dataclasses import replace

    from crds.files import policies

    found = policies(file)
    chosen = [document.workload for document in found if name in (None, document.workload.name)]
    if not chosen:
        raise ValueError(f"{file} has no ScalingPolicy{'' if name is None else f' named {name}'}")
    return [workload if namespace is None else replace(workload, namespace=namespace) for workload in chosen]
