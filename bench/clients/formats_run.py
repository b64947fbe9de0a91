"""A dataset of questions through the road with an engine that answers by itself, or without any.

    python formats_run.py make ROWS FILE     writes a dataset of so many rows of about 2 kB
    python formats_run.py caption FILE OUT   the whole road: read, ask, journal, write
    python formats_run.py copy FILE OUT      only our reader and our writer

One JSON line: the rows that came out.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from dataflow.engine.columns import Column
from dataflow.engine.plan import Output, Plan
from dataflow.engine.runner import run
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.serving.fake import FakeServing

TEXT = "A wooden table by a window with a bowl of green apples on it and a grey cat on the chair."
ROW_BYTES = 2000
_WORDS = 1 << 20  # characters of text that the rows are cut from


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Rows of about `ROW_BYTES`, all different."""
    rng = random.Random(7)
    text = " ".join(
        "".join(rng.choices("abcdefghijklmnopqrstuvwxyzé", k=6)) for _ in range(150_000)
    )
    text = text[:_WORDS]
    for number in range(count):
        at = number * 7919 % (_WORDS - ROW_BYTES)
        yield {
            "id": f"{number:09}",
            "question": f"What is number {number}?",
            "size": [number % 4096, 1.10],
            "text": text[at : at + ROW_BYTES - 200],
        }


def make(count: int, path: Path) -> None:
    """Write the dataset by other hands than the package's."""
    if path.suffix == ".parquet":
        _parquet(count, path)
    elif path.suffix == ".tar":
        _tar(count, path)
    elif path.suffix == ".csv":
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["id", "question", "size", "text"])
            writer.writeheader()
            writer.writerows(rows(count))
    else:
        is_array = path.suffix == ".json"
        with gzip.open(path, "wt", 1) if path.suffix == ".gz" else open(path, "w") as file:
            for number, row in enumerate(rows(count)):
                before = ("," if number else "[") if is_array else ""
                file.write(before + json.dumps(row, ensure_ascii=False) + "\n")
            file.write("]\n" if is_array else "")


def _parquet(count: int, path: Path) -> None:
    import itertools

    import pyarrow as pa
    import pyarrow.parquet as pq

    made = rows(count)
    writer = None
    while batch := list(itertools.islice(made, 50_000)):
        table = pa.Table.from_pylist(batch)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _tar(count: int, path: Path) -> None:
    drawn = io.BytesIO()
    Image.new("RGB", (32, 32), (200, 30, 30)).save(drawn, "JPEG")
    start, rest = drawn.getvalue()[:2], drawn.getvalue()[2:]
    with tarfile.open(path, "w") as shard:
        for row in rows(count):
            number = row["id"].encode()
            remark = b"\xff\xfe" + (len(number) + 2).to_bytes(2, "big") + number  # no two alike
            for ending, data in (
                ("jpg", start + remark + rest),
                ("json", json.dumps(row).encode()),
            ):
                member = tarfile.TarInfo(f"{row['id']}.{ending}")
                member.size = len(data)
                shard.addfile(member, io.BytesIO(data))


def caption(source: Path, output: Path) -> int:
    """The whole road."""
    reader = open_reader(source)
    asked = RowRequests(image_key=None, prompt_key="question")
    plan = Plan(
        reader=reader,
        requests_of=RowRequests() if source.suffix == ".tar" else asked,
        serving=FakeServing(TEXT, max_workers=64),
        output=Output(output, [Column("caption")], writer_for(output, reader, ["caption"])),
    )
    return run(plan).captioned


def copy(source: Path, output: Path) -> int:
    """Only the formats."""
    reader = open_reader(source)
    writer = writer_for(output, reader, ["caption"])(output)
    count = 0
    for row in reader.rows():
        writer.write(row, {"caption": TEXT})
        count += 1
    writer.close()
    return count


def main() -> None:
    """Run as the arguments say."""
    what, first, second = sys.argv[1:]
    if what == "make":
        make(int(first), Path(second))
        return
    done = {"caption": caption, "copy": copy}[what](Path(first), Path(second))
    sys.stdout.write(json.dumps({"rows": done}) + "\n")


if __name__ == "__main__":
    main()
