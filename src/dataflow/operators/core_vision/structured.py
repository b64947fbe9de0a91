"""Answers that are JSON of a given schema: how they are asked for, checked and laid out."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from dataflow.checks.cleanup import strip_json_wrapping
from dataflow.checks.rules.empty import empty
from dataflow.checks.rules.schema import fits, misfit
from dataflow.core.column_types import ColumnType
from dataflow.core.errors import UsageError
from dataflow.core.protocols.check import Check, CheckContext, Verdict
from dataflow.core.raw_json import RawJson, parse_json, parse_strict, plain
from dataflow.core.request import Turn
from dataflow.core.text import trimmed
from dataflow.engine.columns import comparable_text
from dataflow.formats.base.json_rows import members
from dataflow.formats.base.json_values import dumps, utf8_safe
from dataflow.operators.core_vision.column_types import holds, resolved
from dataflow.serving.openai.response_format import response_format, schema_in_words, subschemas

SchemaAs: TypeAlias = Literal["format", "prompt", "both"]
"""How the engine learns of the schema: in ``response_format``, in the question, or in both."""


def read_schema(given: Any) -> dict[str, Any]:
    """The JSON Schema that is given as a dict, as a file's path, or as a pydantic model's class.

    Raises:
        UsageError: it is none of these, or the file cannot be read.
    """
    if isinstance(given, Mapping):
        return dict(given)
    if callable(made := getattr(given, "model_json_schema", None)):
        return dict(made())
    if not isinstance(given, (str, os.PathLike)):
        raise UsageError(
            f"a schema is a dict, a file's path or a pydantic model, not a {type(given).__name__}"
        )
    try:
        found = parse_json(Path(given).read_bytes())
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"the schema {given} cannot be read: {reason}") from None
    except ValueError as error:
        raise UsageError(f"the schema {given} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"the schema {given} is no JSON object")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class StructuredOutput:
    """What answers are to be.

    Attributes:
        schema: The JSON Schema.
        flatten: Whether the properties of an answer become columns of their own.
        schema_as: How the engine learns of the schema.
        checks: What an answer has to pass: that it is there, and fits.

    Raises:
        MissingPackageError: `jsonschema` is not installed.
        UsageError: `schema` is no JSON Schema, or cannot be flattened.
    """

    schema: Mapping[str, Any]
    flatten: bool = False
    schema_as: SchemaAs = "format"
    checks: Sequence[Check] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.schema_as not in get_args(SchemaAs):
            raise UsageError(f"schema_as is one of {get_args(SchemaAs)}, not {self.schema_as!r}")
        object.__setattr__(self, "checks", (empty, _Fits(self.schema)))
        _check_references(self.schema)
        if self.flatten:
            self._check_flatten()

    def _check_flatten(self) -> None:
        if not self.schema.get("properties") or self.schema.get("type") != "object":
            raise UsageError(
                "only the properties of an object can be flattened: the schema's type must be "
                "'object', with properties"
            )
        if self.schema.get("additionalProperties") is not False:
            raise UsageError(
                "the schema allows properties that it does not name, and flattened they would be "
                'lost: add "additionalProperties": false to it (in pydantic: '
                "model_config = ConfigDict(extra='forbid'))"
            )

    @property
    def sampling(self) -> Mapping[str, Any]:
        """What is sent beside the question."""
        if self.schema_as == "prompt":
            return {}
        return {"response_format": response_format(self.schema)}

    def asked_for(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """`turns`, with the schema said in the last."""
        if self.schema_as == "format":
            return turns
        *others, last = turns
        text = schema_in_words(self.schema)
        return (*others, Turn(last.role, (*last.parts, text)))

    def reading(self, name: str) -> AnswerReading:
        """What becomes of an answer in the column `name`."""
        if not self.flatten:
            return AnswerReading({name: holds(self.schema, self.schema)}, is_flat=False)
        named: Mapping[str, Any] = self.schema["properties"]
        return AnswerReading({n: holds(p, self.schema) for n, p in named.items()}, is_flat=True)


@dataclass(frozen=True, slots=True)
class AnswerReading:
    """The values of an answer; see `engine.columns.ColumnReading`."""

    holds: Mapping[str, ColumnType]
    is_flat: bool

    def values(self, answer: str | None) -> Mapping[str, Any]:
        """What stands in each column; None where the answer has nothing for it, or is no JSON."""
        found: dict[str, RawJson] = {}
        if answer is not None:
            try:
                whole = RawJson.of(strip_json_wrapping(answer))
                found = self._found(whole, parse_strict(whole.text))
            except ValueError:
                found = {}
        return {name: self._value(name, found.get(name)) for name in self.holds}

    def answer(self, values: Mapping[str, Any]) -> str | None:
        """The answer that says `values`; see `engine.columns.ColumnReading`."""
        found = {n: _as_json(values.get(n), is_text=h == "text") for n, h in self.holds.items()}
        there = {name: value for name, value in found.items() if value is not None}
        if not there:
            return None
        said = there if self.is_flat else next(iter(there.values()))
        return json.dumps(said, ensure_ascii=False)

    def edited(self, answer: str, former: str) -> str:
        """`answer` with what nobody changed as `former`; see `engine.columns.ColumnReading`."""
        if not self.is_flat:
            return answer
        new, old = self.values(answer), self.values(former)
        there = {n: old[n] if self._is_same(n, old[n], new[n]) else new[n] for n in self.holds}
        return utf8_safe(dumps({n: value for n, value in there.items() if value is not None}))

    def _is_same(self, name: str, *values: Any) -> bool:
        first, second = (self.answer({name: plain(value)}) or "null" for value in values)
        return comparable_text(first) == comparable_text(second)

    def _found(self, whole: RawJson, value: Any) -> dict[str, RawJson]:
        if not self.is_flat:
            return dict.fromkeys(self.holds, whole)
        if not isinstance(value, dict):
            return {}
        text = whole.text
        return {name: RawJson(text[start:end]) for name, start, end in members(text)}

    def _value(self, name: str, found: RawJson | None) -> Any:
        if found is None or found.text == "null":
            return None
        # where it is known that a text comes, CSV has it without quotation marks
        is_text = self.holds[name] == "text" and found.text.startswith('"')
        return found.value if is_text else found


def _as_json(value: Any, *, is_text: bool) -> Any:
    """A value that was read from a file: files without JSON hold some of them as text."""
    value = plain(value)
    if isinstance(value, str):
        value = trimmed(value) or None
        if not is_text and value is not None:
            with contextlib.suppress(ValueError):
                value = parse_strict(value)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


class _Fits:
    """That an answer is JSON which the schema allows, and a column with types can hold."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._fits = fits(schema)

    def __call__(self, text: str, context: CheckContext) -> Verdict | None:
        bare = strip_json_wrapping(text)
        return self._fits(bare, context) or _beyond_64_bits(parse_json(bare))


def _beyond_64_bits(value: Any) -> Verdict | None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
        elif (isinstance(item, float) and not math.isfinite(item)) or (
            isinstance(item, int) and not -(2**63) <= item < 2**63
        ):
            return misfit("it has a number that 64 bits cannot hold")
    return None


def _check_references(schema: Mapping[str, Any]) -> None:
    for part in subschemas(schema):
        reference = part.get("$ref")
        if reference is None:
            continue
        try:
            resolved(str(reference), schema)
        except (LookupError, TypeError):
            raise UsageError(
                f"the schema's reference {reference!r} points at nothing inside it; write what it "
                "means under \"$defs\" and refer to it as '#/$defs/NAME'"
            ) from None
