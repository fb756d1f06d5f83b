"""The schemas of an OpenAPI document as TypeScript declarations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

Schema = Mapping[str, JsonValue]

_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def declarations(schemas: Mapping[str, JsonValue]) -> str:
    """An interface for each object, a type for all else."""
    return "\n".join(_declaration(name, _schema(schema)) for name, schema in sorted(schemas.items()))


def _declaration(name: str, schema: Schema) -> str:
    about = _comment(schema, "")
    if "properties" not in schema:
        return f"{about}export type {name} = {type_of(schema)};\n"
    return f"{about}export interface {name} {_object(schema, '')}\n"


def _comment(schema: Schema, indent: str) -> str:
    about = schema.get("description")
    return f"{indent}/** {' '.join(str(about).split())} */\n" if about else ""


def _object(schema: Schema, indent: str) -> str:
    needed = _items(schema.get("required", []))
    lines = [
        f"{indent}  {name}{'' if name in needed else '?'}: {type_of(_schema(field))};\n"
        for name, field in _schema(schema["properties"]).items()
    ]
    return "{" + "".join(["\n", *lines, indent] if lines else []) + "}"


def type_of(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in _items(schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(type_of(_schema(one)) for one in _items(schema["anyOf"])))
    match schema.get("type"):
        case "array" if "prefixItems" in schema:
            return f"[{', '.join(type_of(_schema(one)) for one in _items(schema['prefixItems']))}]"
        case "array":
            return f"Array<{type_of(_schema(schema.get('items', {})))}>"
        case "object" if "properties" in schema:
            return _object(schema, "  ")
        case "object":
            values = schema.get("additionalProperties", {})
            return f"Record<string, {type_of(values) if isinstance(values, Mapping) else 'unknown'}>"
        case str(plain):
            return _PLAIN[plain]
        case _:
            return "unknown"


def _schema(value: JsonValue) -> Mapping[str, JsonValue]:
    assert isinstance(value, Mapping)
    return value


def _items(value: JsonValue) -> Sequence[JsonValue]:
    assert isinstance(value, list)
    return value
