"""Which `model_name` a target's vLLM writes on its own series, where the arguments in its pod template say it."""

import shlex

from autoscaler.kube.objects import Object
from autoscaler.starts.pods import serving

LONGEST = 253  # characters of the label


def served_model(template: Object | None) -> str:
    """The first name of `--served-model-name`, else the model that is served; empty where neither is written out."""
    container = serving(template)
    command, args = (_words(container.get(field)) for field in ("command", "args"))
    words = command + args
    found = _value(words, "--served-model-name") or _value(words, "--model")
    if not found and "serve" in words:
        found = next(iter(words[words.index("serve") + 1 :]), "")
    elif not found and args and not command:  # of an image that begins with `vllm serve`
        found = args[0]
    return "" if found.startswith("-") or "$" in found else found[:LONGEST]


def _words(written: object) -> list[str]:
    """The words of a command or its arguments, those of a shell's script one by one."""
    found: list[str] = []
    for each in written if isinstance(written, list) else ():
        if not isinstance(each, str):
            return []
        try:
            found += shlex.split(each) if "vllm" in each and any(map(str.isspace, each)) else [each]
        except ValueError:  # an open quotation mark
            return []
    return found


def _value(words: list[str], option: str) -> str:
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name.replace("_", "-") == option:
            return value if equals else next(iter(words[at + 1 :]), "")
    return ""
