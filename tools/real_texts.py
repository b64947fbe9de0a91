"""Real text that holds no caption fault: sayings and package descriptions that Debian ships.

``python tools/real_texts.py LISTS FORTUNES OUT.jsonl`` reads the folder of ``apt``'s translated
package lists (``apt-get -o Dir::State::Lists=LISTS -o Acquire::Languages=en,de,… update``) and the
folder into which the ``fortunes*`` packages were unpacked, and writes one paragraph a line. Half of
them (by a checksum) train the classifier as captions, on the other half false alarms are counted.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

MOST = 6000
"""Paragraphs of each source."""


def descriptions(lists: Path) -> Iterator[tuple[str, str]]:
    """The source and text of each package description."""
    for path in sorted(lists.glob("*_bookworm_main_i18n_Translation-*.lz4")):
        source = path.name.removesuffix(".lz4").rpartition("-")[2].replace("%5f", "_")
        command = ["/usr/lib/apt/apt-helper", "cat-file", str(path)]
        body = subprocess.run(command, capture_output=True, check=True).stdout.decode("utf-8")  # noqa: S603
        for entry in body.split("\n\n"):
            found = re.search(r"^Description-\w+: (.*(?:\n .*)*)", entry, re.MULTILINE)
            if found is None:
                continue
            title, _, rest = found[1].partition("\n")
            yield source, title
            for paragraph in rest.split("\n .\n"):
                yield source, paragraph


def sayings(fortunes: Path) -> Iterator[tuple[str, str]]:
    """The source and text of each saying."""
    for path in sorted(fortunes.rglob("*")):
        if (
            path.suffix in {".dat", ".u8", ".gz"}
            or "fortunes" not in str(path)
            or not path.is_file()
        ):
            continue
        try:
            body = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        for saying in re.split(r"\n%+\n", body):
            yield f"fortunes/{path.name}", re.sub(r"\x1b?\[[\d;]*m", "", saying)


def main() -> int:
    """Write the file."""
    lists, fortunes, out = map(Path, sys.argv[1:4])
    kept: dict[str, dict[str, None]] = {}
    for source, text in (*descriptions(lists), *sayings(fortunes)):
        line = " ".join(text.split())
        if len(line) > 15:
            kept.setdefault(source, {})[line] = None
    with out.open("w", encoding="utf-8") as file:
        for source, lines in kept.items():
            chosen = sorted(lines, key=lambda line: crc32(line.encode()))[:MOST]
            for line in chosen:
                is_held = crc32(line.encode()) & 1 == 1
                file.write(
                    json.dumps(
                        {"source": source, "held": is_held, "text": line}, ensure_ascii=False
                    )
                    + "\n"
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
