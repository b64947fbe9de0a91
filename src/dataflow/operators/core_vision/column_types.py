"""A JSON Schema → the types of the columns that its answers fill.

Formats with types (Parquet, Arrow) want to know them before the first answer is there. Where the
schema does not say all of them, the JSON text is kept instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataflow.core.column_types import ColumnType, ListType, Scalar

_KINDS: Mapping[str, Scalar] = {
    "string": "text",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
}


def holds(schema: Any, root: Mapping[str, Any]) -> ColumnType:
    """What a column of answers to `schema` holds; ``"json"`` where it says too little for a type.

    An object has a type where it may have no other properties than those it names, since a struct
    would lose them; a list where it says what its items are.

    Args:
        schema: The schema, or the part of it that speaks of the column.
        root: The whole, in which its references point.
    """
    return _holds(schema, root, ()) or "json"


def resolved(reference: str, root: Mapping[str, Any]) -> Any:
    """What a ``$ref`` of `root` points at (RFC 6901, inside the schema alone).

    Raises:
        LookupError: nothing is there.
    """
    if reference != "#" and not reference.startswith("#/"):
        raise LookupError(reference)
    found: Any = root
    for step in reference.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found[int(name) if isinstance(found, list) and name.isdigit() else name]
    return found


def _holds(schema: Any, root: Mapping[str, Any], seen: tuple[str, ...]) -> ColumnType:
    """As `holds`; None where there is no type."""
    if not isinstance(schema, Mapping):
        return None
    if "$ref" in schema:
        name = str(schema["$ref"])
        # what holds itself has no end, and so no type
        return None if name in seen else _holds(resolved(name, root), root, (*seen, name))
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices is not None:
        return _one_of([c for c in choices if c != {"type": "null"}], root, seen)
    if "type" not in schema:
        return _of_values(schema.get("enum", [schema["const"]] if "const" in schema else []))
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    kinds = [kind for kind in kinds if kind != "null"]
    if len(kinds) != 1:
        return None
    if kinds[0] == "object":
        return _object(schema, root, seen)
    if kinds[0] == "array":
        inner = None if "prefixItems" in schema else _holds(schema.get("items"), root, seen)
        return None if inner is None else ListType(inner)
    return _KINDS.get(kinds[0])


def _one_of(choices: Sequence[Any], root: Mapping[str, Any], seen: tuple[str, ...]) -> ColumnType:
    found = [_holds(choice, root, seen) for choice in choices]
    return found[0] if found and all(one == found[0] for one in found) else None


def _object(
    schema: Mapping[str, Any], root: Mapping[str, Any], seen: tuple[str, ...]
) -> ColumnType:
    named = schema.get("properties")
    if not named or schema.get("additionalProperties") is not False:
        return None
    if "patternProperties" in schema:
        return None
    inner = {name: _holds(part, root, seen) for name, part in named.items()}
    known = {name: one for name, one in inner.items() if one is not None}
    return known if len(known) == len(inner) else None


def _of_values(values: Sequence[Any]) -> ColumnType:
    kinds = {type(value) for value in values if value is not None}
    names: Mapping[type, Scalar] = {str: "text", bool: "bool", int: "int", float: "float"}
    return names.get(kinds.pop()) if len(kinds) == 1 else None
