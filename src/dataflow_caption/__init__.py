"""The command ``dataflow-caption``, and the look for another distribution's ``dataflow``.

``open-dataflow`` installs the same import name, and pip overwrites the files of one with those of
the other without a word. This package has a name of its own, so that it is whole in any case.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_OTHER = "open_dataflow-"
_CURE = (
    "two distributions install the package `dataflow`, dataflow-caption and open-dataflow, and "
    "their files overwrite each other. Keep one in this environment: pip uninstall -y "
    "open-dataflow dataflow-caption && pip install dataflow-caption"
)

REINSTALL = (
    "files of dataflow-caption are missing or another distribution's: "
    "pip install --force-reinstall --no-deps dataflow-caption"
)
"""What to do where files of this distribution are gone."""


def conflict(folders: list[str] | None = None) -> str:
    """What to do about another distribution's ``dataflow``; empty where there is none.

    Args:
        folders: Where distributions are looked for; None for `sys.path`.
    """
    for folder in sys.path if folders is None else folders:
        if not folder.endswith(("site-packages", "dist-packages")):
            continue
        try:
            names = os.listdir(folder)  # noqa: PTH208 - names are enough, and it is done at import
        except OSError:
            continue
        if any(n.startswith(_OTHER) and n.endswith((".dist-info", ".egg-info")) for n in names):
            return _CURE
    return ""


def require_whole() -> None:
    """Refuse to be imported into a package ``dataflow`` that is another distribution's, or a rest.

    Raises:
        ImportError: the package's ``__init__.py`` is not this distribution's, or not there.
    """
    package = sys.modules.get("dataflow")
    file = getattr(package, "__file__", None)
    if package is not None and (file is None or not _is_ours(Path(file))):
        raise ImportError(conflict() or REINSTALL)


def start() -> None:
    """Run the command line, where the package ``dataflow`` is this distribution's."""
    package = Path(__file__).parents[1] / "dataflow"
    files = [package / "__init__.py", package / "cli" / "__init__.py"]
    if not all(file.is_file() for file in files) or not _is_ours(files[0]):
        sys.stderr.write(f"dataflow-caption: {conflict() or REINSTALL}\n")
        raise SystemExit(1)
    from dataflow.cli import start as start_command_line

    start_command_line()


def _is_ours(file: Path) -> bool:
    try:
        return "dataflow_caption" in file.read_text(encoding="utf-8")
    except OSError:
        return True  # inside an archive, where no other distribution writes
