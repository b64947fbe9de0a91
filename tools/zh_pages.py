"""Which Chinese pages are older than their English source.

The last line of each Chinese page names its source and the source's digest. Without options the
stale pages are listed; ``--check`` exits with 1 where there are any; ``--stamp PAGE…`` says that
these pages follow their source as it is now.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STAMP = re.compile(r"<!-- source: (\S+) sha256:([0-9a-f]{16}) -->\n*\Z")
_GENERATED = re.compile(r"(<!-- generated: \S+ -->).*?(<!-- generated: end)", re.DOTALL)
SOURCES = {"README.zh-CN.md": "README.md", "docs/zh/models.md": "docs/providers.md"}
"""The sources whose names are others than their pages'."""


def main(arguments: list[str], root: Path = ROOT) -> int:
    """List, check or stamp; returns the exit status."""
    if arguments[:1] == ["--stamp"]:
        for name in arguments[1:] or [str(page.relative_to(root)) for page in pages(root)]:
            stamp(root, root / name)
        return 0
    stale = [page for page in pages(root) if is_stale(root, page)]
    for page in stale:
        sys.stdout.write(f"{page.relative_to(root)}: {source_of(root, page)} has changed since\n")
    return 1 if stale and "--check" in arguments else 0


def pages(root: Path) -> list[Path]:
    """The Chinese pages."""
    return [*root.glob("README.zh-CN.md"), *sorted((root / "docs" / "zh").glob("*.md"))]


def source_of(root: Path, page: Path) -> str:
    """The English page that a Chinese one follows."""
    name = page.relative_to(root).as_posix()
    return SOURCES.get(name, f"docs/{page.name}")


def is_stale(root: Path, page: Path) -> bool:
    """Whether the source is another than when the page was stamped."""
    found = STAMP.search(page.read_text(encoding="utf-8"))
    return found is None or found.groups() != (source_of(root, page), digest(root, page))


def stamp(root: Path, page: Path) -> None:
    """Say at the end of a page which state of its source it follows."""
    text = STAMP.sub("", page.read_text(encoding="utf-8")).rstrip("\n")
    line = f"<!-- source: {source_of(root, page)} sha256:{digest(root, page)} -->"
    page.write_text(f"{text}\n\n{line}\n", encoding="utf-8")


def digest(root: Path, page: Path) -> str:
    """Of a page's source; what is generated in it does not count."""
    text = (root / source_of(root, page)).read_text(encoding="utf-8")
    text = _GENERATED.sub(r"\1\2", text)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
