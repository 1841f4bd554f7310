"""What PyYAML's errors mean in plain words: what is wrong, and what to write instead."""

import re

import yaml

_QUOTED = "the value in quotes"
# What PyYAML says, what that means, and the cure. {0} and {1} are the pattern's groups, {line} is where the construct began.
_MEANINGS = (
    (r"character '\\t' that cannot start", "a tab is used for indentation", "spaces"),
    (r"character (.+) that cannot start", "no value may begin with {0}", _QUOTED),
    (
        r"mapping values are not allowed",
        "a ':' is not expected here",
        "a line indented like the one above, or quotes around a value that contains ': '",
    ),
    (r"sequence entries are not allowed", "a '-' is not expected here", "the list on lines of its own below its key"),
    (r"could not find expected ':'", "the text on line {line} is neither a key nor a value", "key: value"),
    (r"scanning a quoted scalar, found unexpected", "the quote on line {line} is not closed", "a closing quote"),
    (r"unknown escape character (.+)", "no escape has the character {0}", "single quotes, which have no escapes"),
    (r"expected ',' or '([\]}])'", "the bracket on line {line} is not closed", "a '{0}' at its end"),
    (r"parsing a flow node, .*'<stream end>'", "the file ends inside brackets", "brackets that are closed"),
    (
        r"expected <block end>",
        "the line is not indented like those above it",
        "the indentation of the other fields of the same object",
    ),
    (r"expected '<document start>'", "text after the end of a document", "--- on a line of its own between documents"),
    (r"undefined alias (.+)", "a value that begins with * repeats an anchor, and there is no anchor {0}", _QUOTED),
    (r"scanning an alias", "a value that begins with * repeats an anchor", _QUOTED),
    (r"scanning an anchor", "a value that begins with & names an anchor", _QUOTED),
    (
        r"constructor for the tag '(?:tag:yaml\.org,2002:)?(.+)'",
        "the tag {0} is unknown",
        "the value without a tag, or in quotes if it begins with !",
    ),
    (r"unhashable key", "a key is a list or an object", "a text as the key"),
    (r"is not a valid", "{problem}", "the value without a tag, or in quotes"),
    (r"expected a (\w+) node, but found (\w+)", "a {1} has the tag of a {0}", "the value without a tag"),
    (
        r"base64|constructing pairs|constructing an ordered map",
        "the value does not fit its tag",
        "the value without a tag",
    ),
    (r"for merging", "<< needs an object", "an alias of an object, such as <<: *defaults"),
    (r"mapping keys are not allowed", "a '?' is not expected here", _QUOTED),
    (r"expected escape sequence", "an escape is not complete", "single quotes, which have no escapes"),
    (r"scanning a block scalar", "after | and > only a digit, + or - may follow", "the text on the lines below"),
    (r"directive|tag handle|YAML document", "a line that begins with % is a directive", "no such line"),
    (r"more than .* values", "{problem}", "a smaller file"),
)


def meaning(error: yaml.MarkedYAMLError, line: str) -> tuple[str, str]:
    """What is wrong, and what to write instead; `line` is the text where reading stopped."""
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    if "{{" in line:
        return "{{ }} is a template, not YAML", "the output of the template, such as that of `helm template`"
    began = (error.context_mark.line if error.context_mark else 0) + 1
    for pattern, why, instead in _MEANINGS:
        if found := re.search(pattern, problem):
            groups = found.groups()
            return why.format(*groups, line=began, problem=problem), instead.format(*groups)
    return problem, "valid YAML"
