"""Check what `make dist` built, before anybody installs it.

The wheel: its metadata (by twine, which PyPI's own check is), version, licence, entry points, size,
and that it holds the package and nothing else. The source archive: that the tests can run from it.
"""

from __future__ import annotations

import email
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LARGEST_WHEEL = 8_000_000
"""Bytes; 4 MB of them are the demo model."""

FORBIDDEN = ("tests/", "bench/", "docs/", ".pyc", ".part", "journal.sqlite", ".run.json")
NEEDED = ("dataflow/py.typed", "dataflow/__main__.py", "dataflow_caption/__init__.py")
SOURCE = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "src/", "tests/", "docs/")


def main(folder: Path) -> int:
    """Check the distribution in `folder`; returns the exit status."""
    wheels, sources = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sources) != 1:
        print(f"{folder} holds {len(wheels)} wheels and {len(sources)} source archives, not one")
        return 1
    faults = [*twine_faults([*wheels, *sources]), *wheel_faults(wheels[0])]
    faults += source_faults(sources[0])
    for fault in faults:
        print(f"fault: {fault}")
    if not faults:
        show(wheels[0])
    return 1 if faults else 0


def twine_faults(files: list[Path]) -> list[str]:
    """What twine says against the metadata."""
    from twine.commands.check import check

    return ["twine check"] if check([str(file) for file in files], strict=True) else []


def wheel_faults(wheel: Path) -> list[str]:
    """What is wrong with a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (info,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(archive.read(info))
        entries = archive.read(info.replace("METADATA", "entry_points.txt")).decode()
    found = [f"{name} does not belong in a wheel" for name in names if is_forbidden(name)]
    found += [f"{name} is missing" for name in NEEDED if name not in names]
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        found.append("the licence is missing")
    if metadata["Version"] != version():
        found.append(f"version {metadata['Version']}, but the package says {version()}")
    if metadata["License-Expression"] != "Apache-2.0":
        found.append("no licence expression in the metadata")
    if "dataflow = " not in entries or "dataflow-caption = " not in entries:
        found.append("a command is missing")
    if wheel.stat().st_size > LARGEST_WHEEL:
        found.append(f"{wheel.stat().st_size:,} bytes; {LARGEST_WHEEL:,} are the most")
    if f"## [{version()}]" not in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"):
        found.append(f"CHANGELOG.md has no section for {version()}")
    return found


def source_faults(source: Path) -> list[str]:
    """What is missing in a source archive."""
    with tarfile.open(source) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    return [
        f"{part} is missing in the source archive"
        for part in SOURCE
        if not any(name == part or name.startswith(part) for name in names)
    ]


def is_forbidden(name: str) -> bool:
    """Whether a file has no place in a wheel."""
    return any(part in name for part in FORBIDDEN) or not name.startswith("dataflow")


def version() -> str:
    """The version that the package says."""
    text = (ROOT / "src" / "dataflow" / "core" / "version.py").read_text(encoding="utf-8")
    return text.partition('__version__ = "')[2].partition('"')[0]


def show(wheel: Path) -> None:
    """Say what a wheel holds."""
    with zipfile.ZipFile(wheel) as archive:
        files = archive.infolist()
    print(f"{wheel.name}: {wheel.stat().st_size:,} bytes, {len(files)} files")
    for one in sorted(files, key=lambda one: -one.file_size)[:8]:
        print(f"  {one.file_size:>10,}  {one.filename}")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist"))
