"""Options from a TOML file, each by its name."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

from dataflow.app.options.option import OptionField, Options, option_fields
from dataflow.core.errors import UsageError
from dataflow.core.raw_json import parse_json

RECORD_FORMAT = 1
"""The version of the layout of a run's record."""


def read_config(path: str, options: type[Options]) -> dict[str, Any]:
    """The options that the file at `path` gives, by field name.

    Names may be written with dashes or underscores; a former name of an option works too.

    Args:
        path: The file.
        options: The options that may stand in it.

    Raises:
        UsageError: The file cannot be read, is no TOML, or names an option that there is not.
    """
    from dataflow.operators.core_vision.toml_file import read_toml  # the parser need not load it

    _, values = read_toml(Path(path), "--config file")
    names = {}
    for known in option_fields(options):
        for flag in (known.name, *known.flags, *known.option.hidden):
            names[flag.lstrip("-").replace("-", "_")] = known
    found: dict[str, Any] = {}
    for name, value in values.items():
        known_field = names.get(name.replace("-", "_"))
        if known_field is None:
            near = difflib.get_close_matches(name.replace("-", "_"), names, n=1)
            cure = f"did you mean {near[0]}?" if near else "see --help for the options"
            raise UsageError(f"--config {path}: there is no option {name!r}; {cure}")
        if isinstance(value, dict) and known_field.kind is not dict:
            raise UsageError(
                f"--config {path}: {name} is a table; write each option as NAME = VALUE"
            )
        found[known_field.name] = _as_given(known_field, value)
    return found


def read_record(path: str, options: type[Options]) -> dict[str, Any]:
    """The options of the run that the record at `path` tells of, by field name.

    Args:
        path: An ``OUTPUT.run.json``.
        options: The options that may stand in it; others are left out.

    Raises:
        UsageError: The file cannot be read, or is no record.
    """
    try:
        record = parse_json(Path(path).read_text(encoding="utf-8"))
        found = record["options"]
        if record["format"] != RECORD_FORMAT or not isinstance(found, dict):
            raise ValueError("it has another layout")
    except OSError as error:
        raise UsageError(f"--from {path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"--from {path}: this is no record of a run ({error}); give an OUTPUT.run.json"
        ) from error
    known = {field.name: field for field in option_fields(options)}
    return {name: _as_given(known[name], value) for name, value in found.items() if name in known}


def _as_given(known: OptionField, value: Any) -> Any:
    """`value` as the parser takes it: as it would stand on the command line."""
    pairs = known.option.pairs
    if isinstance(value, dict):
        return [f"{k}{pairs}{json.dumps(v) if pairs == '=' else v}" for k, v in value.items()]
    if known.is_list:
        return value if isinstance(value, list) else [value]
    return str(value).lower() if known.is_switch and isinstance(value, bool) else value
