"""Is the caption JSON, and of the shape that was asked for?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dataflow.checks.rules.pattern import compiled
from dataflow.checks.rules.text import clipped
from dataflow.core.errors import MissingPackageError, UsageError
from dataflow.core.protocols.check import Check, CheckContext, Verdict, makes_check
from dataflow.core.raw_json import parse_strict


@makes_check
def fits(schema: Mapping[str, Any]) -> Check:
    """A check that a caption is one JSON text that `schema` allows.

    Args:
        schema: A JSON Schema; of draft 2020-12 where its ``$schema`` names no other.

    Raises:
        MissingPackageError: `jsonschema` is not installed.
        UsageError: `schema` is no JSON Schema, or one that cannot be checked in bounded time.
    """
    try:
        import jsonschema
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import validator_for
    except ImportError as error:
        raise MissingPackageError(
            "checking a schema needs jsonschema: pip install 'dataflow-caption[check]'"
        ) from error
    kind: Any = validator_for(schema, default=jsonschema.Draft202012Validator)
    _refuse_endless(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise UsageError(f"the schema is no JSON Schema: {clipped(error.message, 200)}") from error
    except RecursionError as error:
        raise UsageError("the schema is nested too deeply to be checked") from error
    linear = {"pattern": _pattern, "patternProperties": _pattern_properties}
    kind = jsonschema.validators.extend(kind, linear)
    validator = kind(schema, format_checker=kind.FORMAT_CHECKER)

    def check(text: str, context: CheckContext) -> Verdict | None:
        value = _parsed(text, context)
        if isinstance(value, Verdict):
            return value
        try:
            found = jsonschema.exceptions.best_match(validator.iter_errors(value))
        except RecursionError:
            return misfit("it is nested too deeply")
        except Exception as error:
            raise UsageError(f"the schema cannot be checked: {clipped(str(error), 200)}") from error
        if found is None:
            return None
        return misfit(f"at {found.json_path}: {clipped(found.message, 200)}")

    return check


def _parsed(text: str, context: CheckContext) -> Any:
    """The value of the JSON `text`, or the verdict that it is none."""
    try:
        return parse_strict(text.removeprefix("\ufeff"))
    except ValueError as error:
        if context.finish_reason == "length":
            return Verdict("cut_off", "the JSON ends at the token limit (`--max-tokens`)")
        return misfit(f"it is no JSON: {error}")


def misfit(reason: str) -> Verdict:
    """The verdict that an answer does not fit, for a reason that the model is told, asked again."""
    follow_up = f"Answer with JSON alone. Your last answer did not fit the schema: {reason}."
    return Verdict("schema", reason, follow_up)


_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_DEEPEST = 200
"""Levels of a schema, so that checking it stays below Python's own limit of calls."""

_PLACES = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_DATA = frozenset({"const", "enum", "default", "examples"})
_IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")


def _refuse_endless(schema: Mapping[str, Any]) -> None:
    """Refuse a schema that cannot be checked in bounded time.

    It is nested too deeply, refers to itself at one place, or has patterns that are not linear.

    Raises:
        MissingPackageError: it has patterns, and `google-re2` is not installed.
        UsageError: it is such a schema.
    """
    waiting: list[tuple[Any, int]] = [(schema, 0)]
    while waiting:
        part, depth = waiting.pop()
        if depth > _DEEPEST:
            raise UsageError(f"the schema is nested more than {_DEEPEST} levels deep")
        if isinstance(part, list):
            waiting += [(one, depth + 1) for one in part]
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("pattern"), str):
            compiled(part["pattern"])
        if isinstance(part.get("patternProperties"), dict):
            list(map(compiled, part["patternProperties"]))
        _refuse_circle(schema, part)
        waiting += [
            (one, depth + 1)
            for name, value in part.items()
            if name not in _DATA
            for one in (value.values() if name in _PLACES and isinstance(value, dict) else [value])
        ]


def _refuse_circle(schema: Mapping[str, Any], part: Mapping[str, Any]) -> None:
    """Refuse a ``$ref`` that leads back to itself before it comes to a part of the answer."""
    passed: list[int] = []
    waiting = [part]
    while waiting:
        one = waiting.pop()
        if id(one) in passed:
            continue
        passed.append(id(one))
        for name in _IN_PLACE:
            value = one.get(name)
            listed = value if isinstance(value, list) else [value]
            waiting += [found for found in listed if isinstance(found, dict)]
        for name in _REFERENCES:
            target = _target(schema, one.get(name))
            if target is part:
                raise UsageError(f"the schema refers to itself in a circle at {one[name]!r}")
            if target is not None:
                waiting.append(target)


def _target(schema: Mapping[str, Any], reference: object) -> Mapping[str, Any] | None:
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Any = schema
    if not reference.startswith("#/") and len(reference) > 1:
        return next((one for one in _parts(schema) if reference[1:] in _anchors(one)), None)
    for name in filter(None, reference[1:].split("/")):
        key = name.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            return None
        found = found[key]
    return found if isinstance(found, dict) else None


def _parts(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every object in a schema, itself first."""
    waiting: list[Any] = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _anchors(part: Mapping[str, Any]) -> tuple[Any, Any]:
    return part.get("$anchor"), part.get("$dynamicAnchor")


def _pattern(_validator: Any, pattern: str, value: Any, _schema: Any) -> Iterator[Any]:
    """The keyword ``pattern``, in linear time."""
    from jsonschema.exceptions import ValidationError

    if isinstance(value, str) and not compiled(pattern).search(value):
        yield ValidationError(f"{clipped(value)!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, found: Any, value: Any, _schema: Any) -> Iterator[Any]:
    """The keyword ``patternProperties``, in linear time."""
    if not isinstance(value, dict):
        return
    for pattern, part in found.items():
        for key, one in value.items():
            if compiled(pattern).search(key):
                yield from validator.descend(one, part, path=key, schema_path=pattern)
