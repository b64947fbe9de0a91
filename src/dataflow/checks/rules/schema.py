"""Is the caption JSON, and of the shape that was asked for?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dataflow.checks.rules.text import clipped
from dataflow.core.check import Check, CheckContext, Verdict, makes_check
from dataflow.core.errors import MissingPackageError, UsageError


@makes_check
def fits(schema: Mapping[str, Any]) -> Check:
    """A check that a caption is one JSON text that `schema` allows.

    Args:
        schema: A JSON Schema; of draft 2020-12 where its ``$schema`` names no other.

    Raises:
        MissingPackageError: `jsonschema` is not installed.
        UsageError: `schema` is no JSON Schema.
    """
    try:
        import jsonschema
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import validator_for
    except ImportError as error:
        raise MissingPackageError(
            "checking a schema needs jsonschema: pip install 'dataflow-caption[check]'"
        ) from error
    kind = validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise UsageError(f"the schema is no JSON Schema: {clipped(error.message, 200)}") from error
    validator = kind(schema)

    def check(text: str, _context: CheckContext) -> Verdict | None:
        try:
            value = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            return misfit(f"it is no JSON: {error}")
        try:
            found = jsonschema.exceptions.best_match(validator.iter_errors(value))
        except RecursionError:
            return misfit("it is nested too deeply")
        if found is None:
            return None
        return misfit(f"at {found.json_path}: {clipped(found.message, 200)}")

    return check


def misfit(reason: str) -> Verdict:
    """The verdict that an answer does not fit, for a reason that the model is told, asked again."""
    follow_up = f"Answer with JSON alone. Your last answer did not fit the schema: {reason}."
    return Verdict("schema", reason, follow_up)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON (RFC 8259)")
