"""What the answers of somebody's own serving depend on, as far as its code shows: a digest.

A serving without `settings()` says nothing of what determines its answers. Its class's functions
and the values it was made with do: where they change, its answers may.
"""

from __future__ import annotations

import ast
import dis
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from hashlib import blake2b
from types import FunctionType
from typing import Any

_OURS = ("dataflow.", "abc", "builtins", "typing")

_NO_ANSWER = re.compile(
    r"key|token$|secret|password|auth|worker|thread|batch|timeout|retr|concurren|parallel|rpm|tpm"
    r"|rate_?limit|log|verbose|debug|progress|cache|port$",
    re.IGNORECASE,
)
"""Parameters that say who asks, how fast and with what noise, but not what is answered."""


def code_digest(serving: object, *, has_settings: bool = False) -> str:
    """A digest of the code of `serving`'s class and of the plain values that it was made with.

    Comments, docstrings and layout do not count, nor do values that change while it works: only
    those under the names of its constructor's parameters. What its functions call elsewhere is not
    seen.

    Args:
        serving: Somebody's own, or one of ours of which they replaced a method.
        has_settings: Whether it says itself with which values it was made.
    """
    kinds = [kind for kind in type(serving).__mro__ if not kind.__module__.startswith(_OURS)]
    stored = {name for kind in kinds for name in _stored_in(kind)}
    parts = [_code_of(value) for kind in kinds for value in _functions_of(kind, stored)]
    text = json.dumps([parts, {} if has_settings else _made_with(serving)], sort_keys=True)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _functions_of(kind: type, stored: set[str]) -> list[Any]:
    """The functions and plain values that stand in a class, by name, without those of `stored`."""
    return [
        value
        for name, value in sorted(vars(kind).items())
        if not _is_pythons(name) and (callable(value) or name not in stored)
    ]


def _stored_in(kind: type) -> Iterator[str]:
    """The attributes that the class's methods assign to while it works: counters and the like."""
    for name, value in vars(kind).items():
        function = inspect.unwrap(value) if callable(value) else getattr(value, "__func__", None)
        if name != "__init__" and isinstance(function, FunctionType):
            for step in dis.get_instructions(function):
                if step.opname == "STORE_ATTR":
                    yield str(step.argval)


def _is_pythons(name: str) -> bool:
    return name.startswith("__") and name not in ("__init__", "__call__")


def _code_of(value: Any) -> Any:
    value = getattr(value, "fget", None) or getattr(value, "__func__", None) or value
    value = inspect.unwrap(value) if callable(value) else value
    if not isinstance(value, FunctionType):
        return _plain(value)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(value)))
    except (OSError, TypeError, SyntaxError):  # typed into an interpreter that keeps no source
        code = value.__code__
        return [code.co_code.hex(), [_plain(one) for one in code.co_consts], *code.co_names]
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            body[0] = ast.Pass()
    return ast.unparse(tree)


def _is_docstring(node: ast.stmt) -> bool:
    is_value = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_value and isinstance(node.value.value, str)  # type: ignore[attr-defined]


def _made_with(serving: object) -> dict[str, Any]:
    """The plain values that it keeps under the names of its constructor's parameters."""
    try:
        names = inspect.signature(type(serving)).parameters
    except (TypeError, ValueError):
        return {}
    found = {}
    for name in names:
        for attribute in (name, f"_{name}"):
            value = getattr(serving, attribute, None)
            if value is not None and not _NO_ANSWER.search(name):
                found[name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    """`value` where it is text, a number or a collection of such; else its type's name."""
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return type(value).__name__
