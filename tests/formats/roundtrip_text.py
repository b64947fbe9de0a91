"""Text through its formats and back: JSON, JSON Lines, CSV, TSV; and what all checks share."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from tests.formats.test_csv import TEXT
from tests.formats.test_json import LAYOUTS, NASTY, OBJECTS

ROWS_EACH = 20
CAPTION = 'a caption, with "quotes"\nand é \u2028'


@dataclass
class FoundCaption:
    """What the comparison found.

    Attributes:
        rows: That went through.
        fields: That were compared.
        differences: Those that differ: source and outcome.
    """

    rows: int = 0
    fields: int = 0
    differences: list[tuple[Any, Any]] = field(default_factory=list)

    def compare(self, before: Any, after: Any) -> None:
        """Compare one field."""
        self.fields += 1
        if before != after:
            self.differences.append((before, after))


def through(source: Path, output: Path, *, format_name: str | None = None) -> None:
    """Send a dataset through reader and writer, as a run does."""
    reader = open_reader(source, format_name=format_name)
    writer = writer_for(output, reader, ["a caption"], format_name=format_name)(output)
    for row in reader.rows():
        writer.write(row, {"a caption": CAPTION})
    writer.close()


# --- JSON -----------------------------------------------------------------------------------------


@st.composite
def objects(draw: st.DrawFn) -> str:
    layout = draw(LAYOUTS)
    made = OBJECTS.map(lambda item: json.dumps(item, ensure_ascii=bool(len(item) % 2), **layout))
    text = draw(st.one_of(made, made, made, st.sampled_from(NASTY)))
    return text.encode("utf-8", "replace").decode()  # a half surrogate only where it is escaped


def members(text: str) -> list[tuple[str, str]]:
    """Each member's name and value, with numbers and their like as they are written."""
    pairs = json.loads(
        text, object_pairs_hook=list, parse_float=str, parse_int=str, parse_constant=str
    )
    return [(name, repr(value)) for name, value in pairs]


def _compare_objects(found: FoundCaption, before: str, after: str) -> None:
    kept = before[:-1].rstrip()
    names = [name for name, _ in members(before)]
    if after.startswith(kept):  # every byte of every field
        found.fields += len(names)
        assert members(after)[len(names) :] == [("a caption", repr(CAPTION))]
        return
    for one, other in zip(members(before), members(after), strict=False):
        found.compare(one, other)
    found.compare(kept, after[: len(kept)])


def json_lines(found: FoundCaption, folder: Path, data: st.DataObject) -> None:
    """JSON Lines, compressed every second time."""
    _lines(found, folder, data, ".jsonl" if found.rows // ROWS_EACH % 2 else ".jsonl.gz")


def _lines(found: FoundCaption, folder: Path, data: st.DataObject, ending: str) -> None:
    flat = objects().map(lambda text: text.replace("\n", " ").replace("\r", " "))
    rows = data.draw(st.lists(flat, min_size=ROWS_EACH, max_size=ROWS_EACH))
    source, output = folder / f"in{ending}", folder / f"out{ending}"
    packed = ending.endswith(".gz")
    content = "".join(text + "\n" for text in rows).encode()
    source.write_bytes(gzip.compress(content) if packed else content)
    through(source, output)
    written = gzip.decompress(output.read_bytes()) if packed else output.read_bytes()
    for before, after in zip(rows, written.decode().split("\n")[:-1], strict=True):
        _compare_objects(found, before, after)


def json_array(found: FoundCaption, folder: Path, data: st.DataObject) -> None:
    """One array, in any layout."""
    rows = data.draw(st.lists(objects(), min_size=ROWS_EACH, max_size=ROWS_EACH))
    between = data.draw(st.sampled_from([",", " ,\n", ",\r\n\t"]))
    source, output = folder / "in.json", folder / "out.json"
    source.write_bytes(f"[{between.join(rows)} ]".encode())
    through(source, output)
    text = output.read_bytes().decode()
    decoder, at = json.JSONDecoder(parse_int=str), text.index("[") + 1
    for before in rows:
        at = text.index("{", at)
        end = (
            decoder.raw_decode(text, at)[1] if "9" * 4999 not in before else text.index("}", at) + 1
        )
        _compare_objects(found, before, text[at:end])
        at = end


# --- tables ---------------------------------------------------------------------------------------


def table(delimiter: str, ending: str) -> Callable[[FoundCaption, Path, st.DataObject], None]:
    def check(found: FoundCaption, folder: Path, data: st.DataObject) -> None:
        width = data.draw(st.integers(1, 5))
        header = data.draw(st.lists(TEXT, min_size=width, max_size=width, unique=True))
        cells = TEXT | st.sampled_from(["00123", "1.10", "1e400", str(2**70), "e\u0301", "é"])
        row = st.lists(cells, min_size=width, max_size=width)
        rows = data.draw(st.lists(row, min_size=ROWS_EACH, max_size=ROWS_EACH))
        source, output = folder / f"in{ending}", folder / f"out{ending}"
        with open(source, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
            writer.writerows([header, *rows])
        through(source, output)
        text = io.StringIO(output.read_bytes().decode(), newline="")
        written = list(csv.reader(text, delimiter=delimiter, strict=True))
        for before, after in zip([header, *rows], written, strict=True):
            for one, other in zip(before, after, strict=False):
                found.compare(one.encode(), other.encode())

    return check
