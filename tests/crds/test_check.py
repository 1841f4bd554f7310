"""`outrider check`: all problems at once, with their lines, for people and for shells."""

import io
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from autoscaler.commands.check import command
from crds.inspection import inspect, rivals
from crds.kinds import KINDS
from crds.resolve.problems import spell

GOOD = """\
apiVersion: outrider.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: chat, namespace: llm}
spec:
  target: {name: chat-vllm}
  maxReplicas: 24
"""
BAD = """\
apiVersion: outrider.dev/v1
kind: ScalingPolicy
metadata:
  name: Chat
spec:
  target: {kind: DaemonSet, name: chat-vllm}
  slo:
    queueWait: 5
    attainment: 110%
  minReplicas: 0
  maxReplicas: 24
  maxReplicas: 12
  signal: GPUUtilization
  mod: Shadow
  schedules:
  - {name: day, start: 8am, end: "18:00", minReplicas: 3}
"""
POOL = """\
apiVersion: outrider.dev/v1alpha1
kind: GPUPool
metadata: {name: h100}
spec:
  owner: ml-platform
  limits: {gpus: 8}
  members: [{name: all, namespaceSelector: {}}]
  offerings:
  - name: spot
    kind: Spot
    nodeSelector: {pool: spot}
    pricePerGpuHour: "1.60"
    gpusPerNode: 8
"""
SUMMARY = "Deployment chat-vllm, 1 to 24 replicas; 99% of requests wait at most 5 s; Active"
NAMES = spell((kind.name for kind in KINDS), "or")
OTHER = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"


@pytest.fixture
def outrider_check(tmp_path: Path, monkeypatch: Any, capsys: Any) -> Any:
    """Writes files, runs the command in their folder, gives its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(files: dict[str, str], *names: str, **options: bool) -> tuple[int, str, str]:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(typer.Exit) as end:
            command(list(names or files), **options)
        printed = capsys.readouterr()
        return end.value.exit_code, printed.out, printed.err

    return run


def test_ten_mistakes_are_ten_lines(outrider_check: Any) -> None:
    code, out, err = outrider_check({"bad.yaml": BAD})
    assert code == 2
    assert [line.split(": ")[:2] for line in out.splitlines()] == [
        ["bad.yaml:1", "apiVersion"],
        ["bad.yaml:4", "metadata.name"],
        ["bad.yaml:6", "spec.target.kind"],
        ["bad.yaml:8", "spec.slo.queueWait"],
        ["bad.yaml:9", "spec.slo.attainment"],
        ["bad.yaml:10", "spec.minReplicas"],
        ["bad.yaml:12", "spec.maxReplicas"],
        ["bad.yaml:13", "spec.signal"],
        ["bad.yaml:14", "spec.mod"],
        ["bad.yaml:16", "spec.schedules[0].start"],
    ]
    assert "bad.yaml:8: spec.slo.queueWait: 5: a duration needs a unit; instead: 5s" in out
    assert "0 valid, 10 problems" in err


def test_what_is_fine_says_nothing_on_stdout(outrider_check: Any) -> None:
    code, out, err = outrider_check({"good.yaml": f"{GOOD}---\n{OTHER}"})
    assert (code, out) == (0, "")
    assert "good.yaml:1: ScalingPolicy llm/chat: valid: Deployment chat-vllm, 1 to 24 replicas" in err
    assert f"good.yaml:8: Deployment web: not a {NAMES}, skipped" in err


def test_json_is_one_document(outrider_check: Any) -> None:
    code, out, err = outrider_check({"a.yaml": f"{GOOD}---\n{OTHER}", "b.yaml": BAD}, as_json=True)
    assert (code, err) == (2, "")
    printed = json.loads(out)
    assert [len(found["problems"]) for found in printed["resources"]] == [0, 10]
    assert printed["resources"][1]["problems"][3] == {
        "path": "spec.slo.queueWait",
        "line": 8,
        "value": 5,
        "why": "a duration needs a unit",
        "instead": "5s",
    }
    assert printed["skipped"] == [{"file": "a.yaml", "line": 8, "resource": "Deployment web"}]


def test_pools_and_policies_are_judged_together(outrider_check: Any) -> None:
    """What is right in each file alone, and does not fit, is a warning at its line, in text and as JSON alike."""
    policy = f"{GOOD}  minReplicas: 9\n  pool: h100\n"
    code, out, err = outrider_check({"policies/a.yaml": policy, "pools/b.yaml": POOL}, "policies", "pools")
    assert code == 0
    assert out == (
        "policies/a.yaml:7: warning: spec.minReplicas: 9: its highest minimum needs 9 GPUs, and GPUPool h100 grants it at most "
        "8; instead: minimums of at most 8\n"
    )
    assert "pools/b.yaml:1: GPUPool h100: valid: spot; for all; at most 8 GPUs; no standby nodes" in err
    assert "2 valid, no problems, 1 warning" in err
    assert outrider_check({}, "policies", "pools", strict=True)[0] == 2
    [found, pool] = json.loads(outrider_check({}, "policies", "pools", as_json=True)[1])["resources"]
    assert [(it["path"], it["line"], it["value"]) for it in found["warnings"]] == [("spec.minReplicas", 7, 9)]
    assert (pool["resource"], pool["problems"], pool["warnings"]) == ("GPUPool h100", [], [])


def test_an_offering_that_has_ended_is_a_warning_today(outrider_check: Any) -> None:
    code, out, _ = outrider_check({"b.yaml": f'{POOL}    validity: [{{end: "2020-01-01T00:00:00Z"}}]\n'})
    assert code == 0
    assert out.startswith('b.yaml:14: warning: spec.offerings[0].validity: "spot": its last period ended on 2020-01-01')


def test_json_takes_any_value(outrider_check: Any) -> None:
    text = GOOD.replace("24", ".nan") + "  mode: {1: !!binary aGk=}\n"
    code, out, _ = outrider_check({"a.yaml": text}, as_json=True)
    assert code == 2
    assert len(json.loads(out)["resources"][0]["problems"]) == 2


def test_a_terminal_gets_the_same_in_colours(outrider_check: Any, monkeypatch: Any) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    code, _, _ = outrider_check({"a.yaml": f"{GOOD}---\n{OTHER}", "b.yaml": BAD})
    shown = terminal.getvalue()
    assert code == 2
    for text in ("✓", "✗", "llm/chat", "Deployment web", "spec.slo.queueWait", "a duration needs a unit", "5s"):
        assert text in shown
    assert "1 valid, 10 problems" in shown


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("spec: [1,\nb: 2\n", "a.yaml:3", "not valid YAML"),
        ("just text\n", "a.yaml:1", "not an object"),
        ("- a\n", "a.yaml:1", "not an object"),
        (
            "replicaCount: 1\n",
            "a.yaml:1",
            "neither apiVersion nor kind is set; instead: apiVersion: outrider.dev/v1alpha1",
        ),
        ("kind: ScalingPolicys\napiVersion: outrider.dev/v1alpha1\n", "a.yaml:1", "not one of the allowed values"),
        ("kind: ScalingPolicy\napiVersion: outrider.io/v1alpha1\n", "a.yaml:2", "not one of the allowed values"),
        ("kind: GPUPol\napiVersion: outrider.dev/v1alpha1\n", "a.yaml:1", "instead: GPUPool"),
        ("apiVersion: outrider.dev/v1alpha1\nspec: {offerings: [], owner: a}\n", "a.yaml:1", "kind: GPUPool"),
        ("apiVersion: outrider.dev/v1alpha1\nkind: Policy\nspec: {target: {}}\n", "a.yaml:2", "instead: ScalingPolicy"),
        ("kind: scalingpolicy\nmetadata: {}\n", "a.yaml:1", "apiVersion: this field is required"),
    ],
)
def test_what_is_meant_to_be_a_policy_is_judged(outrider_check: Any, text: str, where: str, why: str) -> None:
    code, out, _ = outrider_check({"a.yaml": text})
    assert code == 2
    assert where in out
    assert why in out


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kind: ScaledObject\napiVersion: keda.sh/v1alpha1\n",
        "kind: ScalingPolicy\napiVersion: aws.services.k8s/v1\n",
    ],
)
def test_a_file_without_a_policy_is_a_problem_unless_that_is_allowed(outrider_check: Any, text: str) -> None:
    code, out, err = outrider_check({"a.yaml": text})
    assert code == 2
    assert out == f"a.yaml: no {NAMES} found; instead: a file or folder with one, or --allow-empty\n"
    code, out, err = outrider_check({}, "a.yaml", allow_empty=True)
    assert (code, out) == (0, "")
    assert "0 valid, no problems, 1 of 1 file without a policy" in err


def test_a_folder_is_searched(outrider_check: Any) -> None:
    template, values = "{{- if .Values.x }}\n", "outrider: {enabled: true}\n"
    other = {
        "m/b/a.yml": OTHER,
        "m/t.yaml": template,
        "m/values.yaml": values,
        "m/.git/c.yaml": BAD,
        "m/notes.txt": BAD,
    }
    code, out, err = outrider_check(
        {"m/c.yaml": BAD, "m/b/policy.json": json.dumps(yaml.safe_load(GOOD)), **other}, "m"
    )
    assert code == 2
    assert {line.split(":")[0] for line in out.splitlines()} == {"m/c.yaml"}
    assert err.splitlines() == [
        f"m/b/policy.json:1: ScalingPolicy llm/chat: valid: {SUMMARY}",
        "1 valid, 10 problems, 3 of 5 files without a policy",
    ]


def test_a_file_that_is_named_twice_is_read_once(outrider_check: Any) -> None:
    code, out, err = outrider_check({"m/a.yaml": GOOD}, "m", "m/a.yaml", "./m")
    assert (code, out) == (0, "")
    assert "1 valid, no problems" in err


def test_a_folder_without_a_policy_is_a_problem(outrider_check: Any) -> None:
    code, out, _ = outrider_check({"m/a.yaml": OTHER}, "m")
    assert (code, out.partition(";")[0]) == (2, f"m: no {NAMES} found")


def test_one_policy_is_enough_for_many_files(outrider_check: Any) -> None:
    code, out, err = outrider_check({"a.yaml": OTHER, "b.yaml": GOOD})
    assert (code, out) == (0, "")
    assert "1 valid, no problems, 1 of 2 files without a policy" in err


def test_what_a_folder_holds_besides_files_is_left_out(outrider_check: Any, tmp_path: Path) -> None:
    (tmp_path / "m" / "folder.yaml").mkdir(parents=True)
    os.mkfifo(tmp_path / "m" / "pipe.yaml")
    (tmp_path / "m" / "dangling.yaml").symlink_to("nowhere")
    code, out, _ = outrider_check({"m/a.yaml": GOOD}, "m")
    assert (code, out.partition(";")[0]) == (2, "m/dangling.yaml: cannot be read: No such file or directory")


def test_a_warning_fails_only_where_it_shall(outrider_check: Any) -> None:
    text = f"{GOOD}  minReplicas: 24\n"
    code, out, err = outrider_check({"a.yaml": text})
    assert code == 0
    assert out == (
        "a.yaml:6: warning: spec.maxReplicas: 24: equal to minReplicas, so there is nothing to scale; instead: more than 24\n"
    )
    assert "1 valid, no problems, 1 warning" in err
    assert outrider_check({}, "a.yaml", strict=True)[0] == 2
    [resource] = json.loads(outrider_check({}, "a.yaml", as_json=True)[1])["resources"]
    assert [(it["path"], it["line"], it["instead"]) for it in resource["warnings"]] == [
        ("spec.maxReplicas", 6, "more than 24")
    ]


def test_what_cannot_be_read_is_reported(outrider_check: Any, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "utf16.yaml").write_bytes(GOOD.encode("utf-16"))
    (tmp_path / "large.yaml").write_bytes(b"#" * (4 * 2**20 + 1))
    (tmp_path / "binary").write_bytes(b"a: \xff\xfe")
    code, out, _ = outrider_check({}, "nowhere.yaml", "folder", "binary", "utf16.yaml", "large.yaml", "a\x1b[2Jb.yaml")
    assert code == 2
    assert out.splitlines() == [
        "nowhere.yaml: cannot be read: No such file or directory; instead: a YAML file, a folder, or - for standard input",
        "binary:1: byte 3 is not UTF-8; instead: a text file in UTF-8",
        "utf16.yaml:1: UTF-16, not UTF-8; instead: the file converted: iconv -f UTF-16 -t UTF-8 FILE",
        "large.yaml: larger than 4 MiB; instead: a file with the policies alone",
        "a\\x1b[2Jb.yaml: cannot be read: No such file or directory; instead: a YAML file, a folder, or - for standard input",
    ]


def test_standard_input(outrider_check: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))
    code, out, _ = outrider_check({}, "-")
    assert code == 2
    assert out.startswith("stdin:1: apiVersion")


def test_standard_input_that_is_closed(outrider_check: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    code, out, _ = outrider_check({}, "-")
    assert (code, out.partition(";")[0]) == (2, "stdin: cannot be read: standard input is closed")


def test_a_pipe_is_read_like_a_file(outrider_check: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(BAD,))
    writer.start()
    code, out, _ = outrider_check({}, "pipe")
    writer.join()
    assert code == 2
    assert len(out.splitlines()) == 10


def test_a_list_as_kubectl_get_prints_it_is_opened() -> None:
    text = """\
apiVersion: v1
kind: List
items:
- apiVersion: outrider.dev/v1alpha1
  kind: ScalingPolicy
  metadata: {name: chat, uid: a-b, generation: 3, managedFields: []}
  spec: {target: {name: a}, maxReplicas: 0}
  status: {}
"""
    [found] = inspect("a.yaml", text)
    [(line, problem)] = found.problems
    assert (line, problem.path) == (7, "items[0].spec.maxReplicas")


def test_two_policies_do_not_share_a_name_or_a_target() -> None:
    second = GOOD.replace("name: chat,", "name: other,")
    elsewhere = GOOD.replace("namespace: llm", "namespace: test")
    found = rivals([*inspect("a.yaml", GOOD), *inspect("b.yaml", f"{second}---\n{elsewhere}---\n{GOOD}")])
    assert [[problem.path for _, problem in it.problems] for it in found] == [
        [],
        ["spec.target"],
        [],
        ["metadata.name", "spec.target"],
    ]
    assert "a.yaml:1" in found[1].problems[0][1].why


def test_of_two_in_a_cluster_the_older_one_stays_wherever_it_is_listed() -> None:
    """As the controller judges: by creationTimestamp, then by name. What is still to be created comes last."""

    def made(name: str, created: str) -> str:
        dated = f", creationTimestamp: '{created}'" if created else ""
        return GOOD.replace("name: chat,", f"name: {name}{dated},")

    new, old, same = (
        made("n", "2026-02-01T00:00:00Z"),
        made("z", "2026-01-01T00:00:00Z"),
        made("a", "2026-01-01T00:00:00Z"),
    )
    found = rivals(inspect("a.yaml", "---\n".join((made("chat", ""), new, old, same))))
    assert [bool(it.problems) for it in found] == [True, True, True, False]
    assert all("llm/a (a.yaml:" in it.problems[0][1].why for it in found[:3])


def test_two_folders_may_be_for_two_clusters() -> None:
    second = GOOD.replace("name: chat,", "name: other,")
    _, found = rivals([*inspect("east/a.yaml", GOOD), *inspect("west/a.yaml", second)])
    [(_, warning)] = found.warnings
    assert (found.problems, warning.path) == ((), "spec.target")
    assert warning.instead == "a different one, unless the folders are for different clusters"


def test_no_text_moves_the_terminals_cursor(outrider_check: Any) -> None:
    text = GOOD.replace("chat,", '"\\e[2J\\uD800",') + '  "\\u009b2J": "\\u009b2J"\n'
    code, out, _ = outrider_check({"a.yaml": text})
    assert code == 2
    assert len(out.splitlines()) == 2
    assert out.replace("\n", "").isprintable()
