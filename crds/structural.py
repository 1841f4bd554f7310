"""Makes a pydantic model's JSON schema structural: what `apiextensions.k8s.io/v1` accepts, and no more.

References are inlined, `anyOf null` becomes plainly optional, a constant becomes an enum and an exclusive bound a pair.
Titles are dropped, and so is `additionalProperties: false`, since the API server prunes unknown fields. Of a map's keys it
can say nothing but their number.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]
_LEFT_OUT = ("title", "$defs", "examples", "propertyNames")


@cache
def described(model: type[BaseModel]) -> Schema:
    """The whole schema of a model, with references inlined and examples kept. Raises ValueError for what has no structural form."""
    schema = model.model_json_schema(by_alias=True)
    return _inline(schema, schema.get("$defs", {}))


def structural(schema: Schema) -> Schema:
    """A described schema without what the API server rejects or does not need."""
    kept = {key: value for key, value in schema.items() if key not in _LEFT_OUT}
    if values := kept.pop("additionalProperties", None):  # of a map; False in every other object
        kept["additionalProperties"] = structural(values)
    if "properties" in kept:
        kept["properties"] = {name: structural(member) for name, member in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = structural(kept["items"])
    return kept


def defaulted(value: object, schema: Schema) -> object:
    """The value as the API server would store it: defaults filled in, null members removed, except unknown ones."""
    if isinstance(value, Mapping) and "properties" in schema:
        members = schema["properties"]
        kept = [name for name in value if value[name] is not None or name not in members]
        filled = {name: defaulted(value[name], members.get(name, {})) for name in kept}
        for name, member in members.items():
            if name not in filled and "default" in member:
                filled[name] = defaulted(member["default"], member)
        return filled
    if isinstance(value, list) and "items" in schema:
        return [defaulted(item, schema["items"]) for item in value]
    return value


def _inline(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    schema = dict(schema)
    if name := schema.pop("$ref", None):
        schema = {**definitions[name.removeprefix("#/$defs/")], **schema}
    if schema.get("default", ...) is None:
        del schema["default"]
    if "x-kubernetes-int-or-string" not in schema and (options := schema.pop("anyOf", None)):
        real = [option for option in options if option != {"type": "null"}]
        if len(real) != 1:
            raise ValueError(f"a union has no structural form: {options}")
        return _inline({**real[0], **schema}, definitions)
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in schema:
            schema[bound], schema[exclusive] = schema[exclusive], True
    for refused in ("oneOf", "allOf", "prefixItems", "discriminator", "patternProperties"):
        if refused in schema:
            raise ValueError(f"{refused} has no structural form: {schema}")
    if "properties" in schema:
        schema["properties"] = {name: _inline(member, definitions) for name, member in schema["properties"].items()}
    if "items" in schema:
        schema["items"] = _inline(schema["items"], definitions)
    return schema
