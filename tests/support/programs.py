"""Stand-ins for the programs that the README calls beside `outrider`. They check what they are given, and end with 1 if it is wrong.

`kubectl` remembers what was applied. It reads kustomizations, ScalingPolicies and ScaledObjects, and runs `exec ... tar` on
the folder $PODS. What it does not do: talk to an API server, merge patches of lists, validate other kinds, print what it "gets".
`docker` builds and pushes nothing. `make` only plans, with make's own `-n`. `curl` is Prometheus: it answers the range of a query.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import yaml

REMEMBERED = Path(os.environ.get("REMEMBERED", "remembered.json"))
CLAIMED = {"scpol": "ScalingPolicy", "scaledobject": "ScaledObject", "hpa": "ScaledObject"}  # KEDA makes the HPA
MOST_POINTS = 11_000  # of a series in one answer, as Prometheus has it


def fail(why: str) -> NoReturn:
    sys.exit(f"{' '.join(sys.argv[1:])}: {why}")


def option(words: list[str], name: str) -> str:
    """The word after an option, which is taken out; empty where the option is not given."""
    if name not in words:
        return ""
    index = words.index(name)
    del words[index]
    return words.pop(index)


class Kubectl:
    """One call of kubectl."""

    def __init__(self) -> None:
        self.objects: list[dict[str, Any]] = json.loads(REMEMBERED.read_text()) if REMEMBERED.exists() else []

    def __call__(self, words: list[str]) -> None:
        self.namespace = option(words, "-n")
        getattr(self, f"do_{words[0]}", lambda _: fail("the stand-in does not know this verb"))(words[1:])
        REMEMBERED.write_text(json.dumps(self.objects))

    def find(self, kind: str, name: str = "", namespace: str = "") -> dict[str, Any]:
        where = "" if kind == "Namespace" else namespace or self.namespace
        for each in self.objects:
            its = each["metadata"]
            if (each["kind"].lower(), its.get("namespace", "")) == (kind.lower(), where) and name in ("", its["name"]):
                return each
        fail(f"there is no {kind} {name} in {where or 'the cluster'}")

    def keep(self, document: dict[str, Any]) -> None:
        metadata = document["metadata"]
        if "namespace" in metadata:
            self.find("Namespace", metadata["namespace"])
        if document["kind"] == "ScalingPolicy":
            valid(document)
        if document["kind"] == "ScaledObject":
            [trigger] = document["spec"]["triggers"]
            self.find("ScalingPolicy", trigger["metadata"]["policy"], metadata["namespace"])
        self.objects.insert(0, document)
        print(f"{document['kind'].lower()}/{metadata['name']} applied")

    def do_apply(self, words: list[str]) -> None:
        if folder := option(words, "-k"):
            found = list(kustomized(Path(folder)))
        else:
            file = option(words, "-f") or fail("nothing to apply")
            found = list(yaml.safe_load_all(sys.stdin if file == "-" else Path(file).read_text()))
        for document in sorted(found, key=lambda each: each["kind"] != "Namespace"):
            self.keep(document)

    def do_rollout(self, words: list[str]) -> None:
        verb, (kind, _, name) = words[0], words[1].partition("/")
        if verb != "status":
            fail("the stand-in does not know this verb")
        self.find(kind, name)

    def do_get(self, words: list[str]) -> None:
        for kind in words[0].split(","):
            self.find(CLAIMED.get(kind, kind))
            print(f"{kind} of {self.namespace}")

    def do_patch(self, words: list[str]) -> None:
        kind, patch = CLAIMED[words[0]], json.loads(option(words, "-p"))
        if option(words, "--type") != "merge":
            fail("a custom resource takes no strategic merge patch: --type merge")
        found = self.find(kind, words[1])
        found["spec"] |= patch["spec"]
        valid(found)

    def do_exec(self, words: list[str]) -> None:
        index = words.index("--")
        kind, _, name = words[0].partition("/")
        pod = self.find(kind, name)["spec"]["template"]["spec"]
        environment = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
        program, *rest = words[index + 1 :]
        folder = Path(option(rest, "-C"))
        if environment["OUTRIDER_DECISION_LOG_DIR"] != str(folder / rest[-1]):
            fail(f"decisions are not in {folder}/{rest[-1]}")
        sys.exit(subprocess.run([program, *rest[:-1], "-C", os.environ["PODS"], rest[-1]], check=False).returncode)


def valid(document: dict[str, Any]) -> None:
    from crds.kinds import SCALING_POLICY
    from crds.workload import Workload

    if not isinstance(found := SCALING_POLICY.resolve(document), Workload):
        fail(str(found))


def kustomized(folder: Path) -> Any:
    """The documents of a kustomization and of the components that it names."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    for name in [*kustomization.get("resources", ()), *kustomization.get("components", ())]:
        path = folder / name
        yield from kustomized(path) if path.is_dir() else yaml.safe_load_all(path.read_text())
    for one in kustomization.get("configMapGenerator", ()):
        data = [line for file in one["envs"] for line in (folder / file).read_text().splitlines()]
        yield {"kind": "ConfigMap", "metadata": {"name": one["name"], "namespace": one["namespace"]}, "data": data}


def docker(words: list[str]) -> None:
    image = option(words, "-t") or words[-1]
    if not re.fullmatch(r"[a-z0-9.:-]+/outrider:\d+\.\d+\.\d+", image):
        fail(f"{image} is no image of a registry")
    if words[0] == "build" and not (Path(option(words, "-f")).is_file() and Path(words[-1]).is_dir()):
        fail("no such Dockerfile or context")


def curl(words: list[str]) -> None:
    from replay.traces.counters import COUNTERS

    output = option(words, "-o")
    data = dict(option(words, "-d").split("=", 1) for _ in range(words.count("-d")))
    name, _, query = option(words, "--data-urlencode").partition("=")
    options, url = sorted(words, key=len)
    if (options, name) != ("-sSG", "query") or not url.endswith("/api/v1/query_range"):
        fail("not a GET of query_range")
    start, end, step = (int(data[each]) for each in ("start", "end", "step"))
    names = re.search(r'__name__=~"([^"]*)"', query)
    if names is None or not all(re.fullmatch(names[1], counter) for counter in COUNTERS):
        fail("the query does not match the counters that a replay needs")
    if (end - start) / step > MOST_POINTS:
        fail("exceeded maximum resolution of 11,000 points per timeseries")
    series = [
        {
            "metric": {"__name__": counter, "namespace": "llm", "pod": "chat-vllm-0"},
            "values": [[at, str(each * (at - start) // 15)] for at in range(start, end + 1, step)],
        }
        for counter, each in zip(COUNTERS, (3, 1500, 450), strict=True)
    ]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": series}}
    Path(output).write_text(json.dumps(answer))


def make(words: list[str]) -> None:
    sys.exit(
        subprocess.run(
            ["/usr/bin/env", f"PATH={os.environ['REAL_PATH']}", "make", "-n", *words], check=False
        ).returncode
    )


PROGRAMS: dict[str, Callable[[list[str]], None]] = {"kubectl": Kubectl(), "docker": docker, "curl": curl, "make": make}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](sys.argv[2:])
