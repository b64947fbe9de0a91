"""Build the site from the Markdown of this repository: ``tools/make_site.py [FOLDER]``.

The pages are those of ``docs/``, as they stand; the API reference comes from the docstrings. A link
that leads nowhere, a heading that is not there and a page that no menu leads to are errors.
"""

from __future__ import annotations

import html.parser
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = "https://github.com/dataflow-caption/dataflow/blob/main"
MENU = {
    "Start": ("start", "install", "windows"),
    "By what you do": ("lora", "dataset-team", "from-dataflow", "archive"),
    "Captioning": (
        *("engines", "providers", "formats", "pictures", "prompts", "presets", "structured"),
        *("remote", "cluster", "batch"),
    ),
    "Cost and quality": (
        *("estimate", "billing", "checks", "review", "gallery", "compare", "record"),
    ),
    "When something fails": ("failures", "errors", "reliability"),
    "Reference": ("cli", "python", "api/index", "screens", "sessions"),
    "The project": ("architecture", "performance", "changelog"),
    "中文": (
        *("zh/index", "zh/start", "zh/models", "zh/presets", "zh/lora", "zh/from-dataflow"),
        "zh/errors",
    ),
}
"""The menu: what is not listed is added to the last English part."""

API = {
    "Functions": ("caption", "estimate", "check", "fix", "status"),
    "Operators": ("Generator", "Operator"),
    "Servings": ("Serving", "LoadBalanced"),
    "Storages": ("Storage",),
    "Checks and presets": (
        *("Check", "Verdict", "CaptionRequirements", "checks_for", "Preset", "preset"),
    ),
    "Errors": ("Error",),
    "Values": ("",),
}
"""The pages of the API reference; a name stands on the first whose words it holds."""


def main(arguments: list[str]) -> int:
    """Build and check; returns the exit status."""
    target = Path(arguments[0]) if arguments else ROOT / "dist-site"
    source = target.with_name(f"{target.name}.src")
    for folder in (source, target):
        shutil.rmtree(folder, ignore_errors=True)
    write_sources(source)
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-d", str(source / ".cache")]
    command += ["-W", "--keep-going", "-j", "1", str(source), str(target)]
    done = subprocess.run(command, check=False)  # noqa: S603 - our own words
    faults = list(dead_links(target)) if target.is_dir() else []
    for fault in faults:
        sys.stderr.write(f"dead link: {fault}\n")
    return 1 if done.returncode or faults else 0


def write_sources(folder: Path) -> None:
    """Lay out what Sphinx reads."""
    shutil.copytree(ROOT / "docs", folder)
    shutil.copy(ROOT / "CHANGELOG.md", folder / "changelog.md")
    shutil.copy(ROOT / "README.zh-CN.md", folder / "zh" / "index.md")
    shutil.copy(ROOT / "tools" / "site_conf.py", folder / "conf.py")
    write_api(folder / "api")
    (folder / "index.md").write_text(front_page(folder), encoding="utf-8")
    for page in folder.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        page.write_text(with_site_links(text, page), encoding="utf-8")


def with_site_links(text: str, page: Path) -> str:
    """Links to files that are no pages of the site lead to the repository."""

    def site_link(match: re.Match[str]) -> str:
        name, anchor = match[2], match[3] or ""
        if re.match(r"[a-z]+:", name) or (page.parent / name).is_file():
            return match[0]
        base = {"zh": ROOT / "docs" / "zh"}.get(page.parent.name, ROOT / "docs")
        if page.name in ("changelog.md", "index.md") and page.parent.name != "api":
            base = ROOT
        found = (base / name).resolve()
        if found.is_relative_to(ROOT / "docs") and found.is_file():
            steps = "../" if page.parent.name == "zh" else ""
            return f"{match[1]}({steps}{found.relative_to(ROOT / 'docs').as_posix()}{anchor})"
        if found == ROOT / "README.md":
            return f"{match[1]}({'../' if page.parent.name == 'zh' else ''}index.md)"
        if found == ROOT / "README.zh-CN.md":
            return f"{match[1]}({'' if page.parent.name == 'zh' else 'zh/'}index.md)"
        if found.exists() and found.is_relative_to(ROOT):
            return f"{match[1]}({REPOSITORY}/{found.relative_to(ROOT).as_posix()}{anchor})"
        return match[0]  # Sphinx says that it leads nowhere

    return re.sub(r"(\[[^\]]*\])\(([^)#\s]+)(#[^)\s]*)?\)", site_link, text)


def front_page(folder: Path) -> str:
    """The first page: what it is, and the menu."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    intro = readme.partition("## Try it")[0].replace("# dataflow\n", "", 1)
    intro = re.sub(r"^\[中文\].*\n", "", intro, flags=re.MULTILINE)
    listed = {name for names in MENU.values() for name in names}
    rest = sorted(
        name
        for page in folder.rglob("*.md")
        if (name := page.relative_to(folder).with_suffix("").as_posix()) not in listed
        and name != "index"
        and not name.startswith("api/")
    )
    menu = {**MENU, "The project": (*MENU["The project"], *rest)}
    trees = "\n".join(
        f"```{{toctree}}\n:caption: {title}\n:hidden:\n\n" + "\n".join(names) + "\n```\n"
        for title, names in menu.items()
    )
    return (
        f"# dataflow\n{intro}\n"
        "**[Start in five minutes](start.md)** · [Install](install.md) · [中文](zh/index.md)\n\n"
        "| you | begin here |\n|---|---|\n"
        "| train a LoRA | [For LoRA and diffusion trainers](lora.md) |\n"
        "| build a dataset in a team | [For teams that build datasets](dataset-team.md) |\n"
        "| come from DataFlow | [Coming from DataFlow](from-dataflow.md) |\n"
        "| describe an archive, write alt texts | [For archives and alt texts](archive.md) |\n\n"
        f"{trees}"
    )


def write_api(folder: Path) -> None:
    """The pages of the API reference: every public name once."""
    import dataflow

    folder.mkdir()
    left = [name for name in dataflow.__all__ if not name.startswith("__")]
    pages = []
    for title, words in API.items():
        names = [n for n in left if (n in words if title == "Functions" else _holds(n, words))]
        left = [name for name in left if name not in names]
        file = title.lower().replace(" ", "-")
        pages.append(file)
        parts = [f"# {title}\n"]
        for name in names:
            kind = "autoclass" if isinstance(getattr(dataflow, name), type) else "autofunction"
            more = "   :members:\n   :show-inheritance:\n" if kind == "autoclass" else ""
            parts.append(f"```{{eval-rst}}\n.. {kind}:: dataflow.{name}\n{more}```\n")
        (folder / f"{file}.md").write_text("\n".join(parts), encoding="utf-8")
    tree = "\n".join(pages)
    (folder / "index.md").write_text(
        "# API reference\n\nAll of this is importable from `dataflow` itself.\n\n"
        f"```{{toctree}}\n{tree}\n```\n",
        encoding="utf-8",
    )


def _holds(name: str, words: tuple[str, ...]) -> bool:
    return any(word in name for word in words)


def dead_links(site: Path) -> Iterator[str]:
    """Each link of the built pages that leads to no file or to no place in it."""
    pages = {page: _Links.of(page) for page in sorted(site.rglob("*.html"))}
    for page, found in pages.items():
        for link in found.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if target.is_dir():
                target /= "index.html"
            if not target.exists() or (
                target in pages and unquote(parts.fragment) not in pages[target].places
            ):
                yield f"{page.relative_to(site)}: {link}"


class _Links(html.parser.HTMLParser):
    """The links of a page and the places in it that a link can lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = {""}

    @classmethod
    def of(cls, page: Path) -> _Links:
        found = cls()
        found.feed(page.read_text(encoding="utf-8"))
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag links to and what it is called."""
        given = dict(attrs)
        if (name := given.get("id")) is not None:
            self.places.add(name)
        for key in ("href", "src"):
            if tag in ("a", "img", "link", "script") and (link := given.get(key)):
                self.links.append(link)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
