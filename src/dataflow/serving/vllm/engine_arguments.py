"""Arguments of vLLM's server that people give by name: known ones only, and as words."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dataflow.core.errors import UsageError

_OURS = {
    "model": "the model is given by its own option",
    "host": "the server listens on the loopback address only",
    "port": "the port is chosen at each start",
    "api_key": "the key is chosen at each start",
    "served_model_name": "requests carry the model's own name",
}
"""Arguments that would break the connection to the server → why."""

_NO_ANSWERS = frozenset(
    ("api-server-count", "async-scheduling", "cpu-offload-gb", "cudagraph-capture-sizes",
     "data-parallel-size", "disable-log-requests", "disable-log-stats",
     "distributed-executor-backend", "enable-chunked-prefill", "enable-log-requests",
     "enable-prefix-caching", "enforce-eager", "gpu-memory-utilization", "kv-cache-memory-bytes",
     "limit-mm-per-prompt", "load-format", "max-cudagraph-capture-size", "max-model-len",
     "max-num-batched-tokens", "max-num-seqs", "mm-processor-cache-gb", "num-gpu-blocks-override",
     "pipeline-parallel-size", "renderer-num-workers", "skip-mm-profiling", "swap-space",
     "tensor-parallel-size", "uvicorn-log-level")
)  # fmt: skip
"""Arguments that decide on speed and memory only."""


def that_change_answers(words: Sequence[str]) -> list[str]:
    """The arguments among `words`, with their values, that may change an answer."""
    kept: list[str] = []
    is_kept = True
    for word in words:
        if word.startswith("--"):
            name = word[2:].partition("=")[0].removeprefix("no-").replace("_", "-")
            is_kept = name not in _NO_ANSWERS
        if is_kept:
            kept.append(word)
    return kept


def as_words(arguments: Mapping[str, Any] | None) -> list[str]:
    """`arguments` as the server takes them; a list gives one word for each item.

    Raises:
        UsageError: the installed vLLM knows no argument of that name, or it is not ours to give.
    """
    words: list[str] = []
    for given, value in (arguments or {}).items():
        name = given.lstrip("-").replace("-", "_")
        _check_name(given, name)
        flag = "--" + name.replace("_", "-")
        if value is True:
            words.append(flag)
        elif value is False:
            words.append(f"--no-{flag[2:]}")
        elif isinstance(value, (list, tuple)):
            words += [flag, *map(_word, value)]
        elif value is not None:
            words += [flag, _word(value)]
    return words


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _check_name(given: str, name: str) -> None:
    if name in _OURS:
        raise UsageError(f"vLLM's argument {given} cannot be given: {_OURS[name]}")
    known = set(_known_names())
    if known and name not in known and name.removeprefix("no_") not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; do you mean {near[0].replace('_', '-')}?" if near else ""
        raise UsageError(f"vLLM's server has no argument {given}{hint}")


def _known_names() -> Iterator[str]:
    """The fields of vLLM's classes of arguments; nothing where its sources lie elsewhere.

    They are read, not imported: importing vLLM takes eight seconds.
    """
    spec = importlib.util.find_spec("vllm")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        files = [Path(folder, "engine", "arg_utils.py")]
        files += sorted(Path(folder, "entrypoints").rglob("cli_args.py"))
        for file in files:
            yield from _fields(file)


def _fields(file: Path) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_text("utf-8"))
    except (OSError, ValueError, SyntaxError):
        return
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.endswith("Args"):
            for line in node.body:
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                    yield line.target.id
