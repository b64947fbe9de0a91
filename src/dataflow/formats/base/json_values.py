"""Values that JSON and CSV have no word for → values that they have.

Parquet, pickles and users' own rows hold bytes, times, decimals and numpy values. The rules are
one way: reading the JSON back gives the text, not the first type.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from uuid import UUID

from dataflow.core.raw_json import RawJson


def json_value(value: Any) -> Any:
    """The JSON value that stands for a `value` of another type.

    Bytes become base64 text (RFC 4648), dates and times ISO 8601 text, decimals, durations, UUIDs
    and paths their text, sets and numpy arrays lists, numpy scalars their Python value, and
    pandas' missing values null. A `RawJson` is its value.

    Raises:
        TypeError: nothing stands for it.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (datetime, date, time)):
        # pandas' NaT is a datetime that is not equal to itself.
        return value.isoformat() if value == value else None
    if isinstance(value, (Decimal, timedelta, UUID, PurePath)):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, RawJson):
        return value.value
    if hasattr(value, "tolist"):
        return value.tolist()
    if type(value).__name__ == "NAType":
        return None
    raise TypeError(f"a {type(value).__name__} has no place in JSON")


class _HoldsTextError(Exception):
    """Something in the value brings its own JSON text."""


def _without_text(value: Any) -> Any:
    if isinstance(value, RawJson):
        raise _HoldsTextError
    return json_value(value)


# Made once: json.dumps would build a new encoder for every value.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_without_text).encode


def dumps(value: Any) -> str:
    """`value` as one line of strict JSON; what JSON lacks becomes what `json_value` says.

    NaN and the infinities become null, as pandas does; no other number is touched. A `RawJson`
    stands as it is.

    Raises:
        TypeError: something in `value` has no place in JSON.
        ValueError: `value` holds itself.
    """
    try:
        return _encode(value)
    except _HoldsTextError:
        return _spliced(value)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def dump_bytes(value: Any) -> bytes:
    r"""`dumps`, in UTF-8; half surrogates, which UTF-8 cannot hold, as ``\udXXX``."""
    text = dumps(value)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")  # they stand in strings only


def cell(value: Any) -> str:
    """`value` as the text of one table cell.

    A string is itself, null (and NaN) the empty text, everything else its JSON text.

    Raises:
        TypeError: something in `value` has no place in JSON.
        ValueError: `value` holds itself.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, RawJson):
        return value.text
    if not isinstance(value, (bool, int, float, list, tuple, dict)):
        return cell(json_value(value))
    text = dumps(value)
    return "" if text == "null" else text


def utf8_safe(text: str) -> str:
    r"""`text` for a format that is strict UTF-8: half surrogates are written out as ``\udXXX``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _spliced(value: Any) -> str:
    if isinstance(value, RawJson):
        return value.text
    if isinstance(value, dict):
        members = (f"{dumps(str(key))}: {dumps(item)}" for key, item in value.items())
        return f"{{{', '.join(members)}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(dumps, value))}]"
    return dumps(json_value(value))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return _finite(json_value(value))
