"""What ``--endpoints`` names: several servers of one model, looked at again while the run works."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from dataflow.core.errors import DataflowError, UsageError
from dataflow.core.protocols.serving import AsyncServing
from dataflow.core.settings import TEXT, ValueRule, number
from dataflow.operators.core_vision.toml_file import REQUEST_KEYS, read_toml, refuse_wrong
from dataflow.remote.fingerprint import file_fingerprint
from dataflow.serving.registration import RegisteredServers

_PRICE = number(0, 1_000_000)
_KEYS: Mapping[str, ValueRule] = {
    "url": TEXT,
    "key_env": TEXT,
    "key_header": TEXT,
    "price_in": _PRICE,
    "price_out": _PRICE,
    **REQUEST_KEYS,
}

_log = logging.getLogger("dataflow")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLine:
    """One endpoint.

    Attributes:
        url: Its address.
        key_env: The environment variable that holds its key.
        key_header: The header that carries the key alone, or empty.
        body: More fields of its requests, over those of all.
        header: More headers of its requests, over those of all.
        stream: Whether its replies come in pieces; None as for all.
        detail: In how much detail pictures are looked at; empty as for all.
        price_in: US dollars per million tokens read; None to look it up.
        price_out: The same for tokens written.
    """

    url: str
    key_env: str
    key_header: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    header: Mapping[str, str] = field(default_factory=dict, repr=False)
    stream: bool | None = None
    detail: str = ""
    price_in: float | None = None
    price_out: float | None = None

    def over(self, choices: Mapping[str, Any]) -> dict[str, Any]:
        """What goes into its requests, over what the options say for all."""
        return {
            **choices,
            "body": {**(choices["body"] or {}), **self.body},
            "headers": {**(choices["headers"] or {}), **self.header},
            "stream": choices["stream"] if self.stream is None else self.stream,
            "detail": self.detail or choices["detail"],
        }


def read_endpoints(path: str, key_env: str, *, may_be_empty: bool = False) -> list[EndpointLine]:
    """The endpoints that the file at `path` lists.

    A TOML file (its name ends in ``.toml``) has a table ``[[endpoint]]`` for each, with ``url`` and
    any of ``key_env``, ``key_header``, ``body``, ``header``, ``stream``, ``detail``, ``price_in``
    and ``price_out``. Any other file has one on each line: its address and, after white space, the
    environment variable that holds its key, where that is not `key_env`; empty lines and lines that
    begin with ``#`` are left out. `may_be_empty` allows a file that lists none.

    Raises:
        UsageError: the file cannot be read, or holds something else.
    """
    found = _from_toml(path, key_env) if path.endswith(".toml") else _from_lines(path, key_env)
    if not found and not may_be_empty:
        raise UsageError(f"--endpoints {path} lists no endpoint")
    return found


def _from_toml(path: str, key_env: str) -> list[EndpointLine]:
    _, values = read_toml(Path(path), "file of endpoints")
    tables = values.get("endpoint")
    if values.keys() - {"endpoint"} or not isinstance(tables, list):
        raise UsageError(f"--endpoints {path} holds tables [[endpoint]] and nothing else")
    found = []
    for number_, table in enumerate(tables, 1):
        where = f"--endpoints {path}, endpoint {number_}"
        refuse_wrong(table, _KEYS, where)
        if "url" not in table:
            raise UsageError(f"{where} lacks its url")
        if ("price_in" in table) != ("price_out" in table):
            raise UsageError(f"{where}: price_in and price_out belong together; give both")
        found.append(EndpointLine(**{"key_env": key_env, **table}))
    return found


def _from_lines(path: str, key_env: str) -> list[EndpointLine]:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"--endpoints {path} cannot be read: {reason}") from None
    found = []
    for number_, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) > 2:
            raise UsageError(
                f"--endpoints {path}, line {number_}: an address and the variable with its key are "
                f"expected, not {len(words)} words; what else an endpoint needs stands in a .toml "
                "file"
            )
        found.append(EndpointLine(url=words[0], key_env=words[1] if len(words) == 2 else key_env))
    return found


MakeServing: TypeAlias = "Callable[[EndpointLine], AsyncServing]"


class EndpointWatch:
    """Says which endpoints there are each time it is called; None where that is as before.

    A file that cannot be read, or holds something else, leaves them as they were: it is said once.
    An endpoint whose line stays is the same object, with what was learned of it.

    Args:
        path: A file as `read_endpoints` takes it, or a folder of registered servers.
        key_env: The variable that holds the key of those that name none.
        make: An endpoint's line → its serving.
        fixed: Those that the command line names; they stay.
    """

    def __init__(
        self, path: str, key_env: str, make: MakeServing, fixed: Sequence[EndpointLine] = ()
    ) -> None:
        self._path = path
        self._key_env = key_env
        self._make = make
        self._fixed = list(fixed)
        self._servers = RegisteredServers(Path(path)) if is_folder(path) else None
        self._former: object = None
        self._made: dict[str, tuple[EndpointLine, AsyncServing]] = {}
        self._trouble = ""

    def first(self) -> list[AsyncServing]:
        """Those that there are now.

        Raises:
            UsageError: the file cannot be read, or holds something else.
        """
        if self._servers is None:
            self._former = file_fingerprint(self._path)
        return self._servings(self._fixed + self._lines())

    def __call__(self) -> list[AsyncServing] | None:
        """Those that there are now; None where the file has not changed, or cannot be read."""
        if self._servers is None:
            stamp = file_fingerprint(self._path)
            if stamp == self._former:
                return None
            self._former = stamp
        try:
            found = self._servings(self._fixed + self._lines())
        except (DataflowError, OSError) as error:
            if self._trouble != str(error):
                _log.warning("the servers stay as they are: %s", error)
            self._trouble = str(error)
            return None
        self._trouble = ""
        return found

    def _lines(self) -> list[EndpointLine]:
        if self._servers is None:
            return read_endpoints(self._path, self._key_env, may_be_empty=True)
        return [EndpointLine(url=one.url, key_env=self._key_env) for one in self._servers.living()]

    def _servings(self, lines: Sequence[EndpointLine]) -> list[AsyncServing]:
        made = {}
        for line in lines:
            known = self._made.get(line.url)
            made[line.url] = (
                known if known is not None and known[0] == line else (line, self._make(line))
            )
        self._made = made
        return [serving for _, serving in made.values()]


def is_folder(path: str) -> bool:
    """Whether ``--endpoints`` names a folder of registered servers."""
    return path.endswith(os.sep) or Path(path).is_dir()
