"""The formats that join the contract, each with another hand than ours that writes and reads it."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import pickle
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Member:
    """A format in the contract.

    Attributes:
        save: Writes rows whose values are all texts, by other means than ours.
        load: Reads them.
        has_null: Whether a missing value differs from an empty text.
        is_text: Whether the file is plain UTF-8.
        holds_half_surrogates: Whether a text may hold what UTF-8 cannot.
        overhead: Bytes that it takes whatever the rows.
        format_name: How it is asked for, where its ending does not tell.
        has_keys: Whether each row has a column ``__key__`` of the format's own.
        leaves_out_null: Whether a null is the absence of its column.
        leaves_out: The promises that it does not make, and why.
    """

    save: Callable[[Path, Rows], object]
    load: Callable[[Path], Rows]
    has_null: bool = True
    is_text: bool = True
    holds_half_surrogates: bool = False
    overhead: int = 0
    format_name: str | None = None
    has_keys: bool = False
    leaves_out_null: bool = False
    leaves_out: dict[str, str] = field(default_factory=dict)


def _table(delimiter: str) -> Member:
    def save(path: Path, rows: Rows) -> None:
        path.write_bytes(_table_bytes(rows, delimiter))

    return Member(save, lambda path: _table_rows(path.read_bytes(), delimiter), has_null=False)


def _arrow(save: Callable[[Path, Any], object], load: Callable[[Path], Any]) -> Member:
    return Member(
        lambda path, rows: save(path, pa.Table.from_pylist(rows)),
        lambda path: load(path).to_pylist(),
        is_text=False,
        overhead=8_000_000,  # a batch on its way to the file
    )


def _packed(
    pack: Callable[[bytes], bytes],
    unpack: Callable[[bytes], bytes],
    inner: Member,
    overhead: int = 0,
) -> Member:
    """`inner`, compressed."""

    def save(path: Path, rows: Rows) -> None:
        inner.save(path, rows)
        path.write_bytes(pack(path.read_bytes()))

    def load(path: Path) -> Rows:
        plain = path.with_name(path.name + ".plain")
        plain.write_bytes(unpack(path.read_bytes()))
        return inner.load(plain)

    return replace(inner, save=save, load=load, is_text=False, overhead=inner.overhead + overhead)


def _lines(rows: Rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _table_bytes(rows: Rows, delimiter: str) -> bytes:
    file = io.StringIO(newline="")
    if rows:
        table = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, quoting=csv.QUOTE_ALL)
        table.writeheader()
        table.writerows(rows)
    return file.getvalue().encode()


def _table_rows(data: bytes, delimiter: str) -> Rows:
    file = io.StringIO(data.decode(), newline="")
    return list(csv.DictReader(file, delimiter=delimiter, strict=True))


def _zstd(*arguments: str) -> Callable[[bytes], bytes]:
    """Facebook's own program."""
    return lambda data: (
        subprocess.run(
            ["zstd", "-q", "-c", *arguments], input=data, capture_output=True, check=True
        ).stdout
    )


def _save_ipc(new: Callable[..., Any]) -> Callable[[Path, Any], None]:
    def save(path: Path, table: Any) -> None:
        with new(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=16)

    return save


def _save_tar(path: Path, rows: Rows) -> None:
    with tarfile.open(path, "w") as archive:
        for number, row in enumerate(rows):
            for name, text in row.items():
                info = tarfile.TarInfo(
                    f"{number:06}.{'txt' if name == 'caption' else f'{name}.txt'}"
                )
                info.size = len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))


def _load_tar(path: Path) -> Rows:
    rows: dict[str, dict[str, Any]] = {}
    with tarfile.open(path) as archive:
        for info in archive:
            key, _, ending = info.name.partition(".")
            file = archive.extractfile(info)
            assert file is not None
            if ending == "json":
                rows.setdefault(key, {}).update(json.load(file))
            else:
                name = ending.removesuffix("txt").removesuffix(".") or "caption"
                rows.setdefault(key, {})[name] = file.read().decode()
    return list(rows.values())


def _save_coco(path: Path, rows: Rows) -> None:
    whole = {"info": {"year": 2026}, "images": [], "annotations": [{"id": 7, "image_id": -1}]}
    for number, row in enumerate(rows):
        whole["images"].append(row if "id" in row else {"id": f"coco-{number}", **row})
    path.write_text(json.dumps(whole, ensure_ascii=False), "utf-8")


def _load_coco(path: Path) -> Rows:
    """Each image with what its annotations say; ids and names that COCO asked for go."""
    whole = json.loads(path.read_bytes())
    ids = [annotation["id"] for annotation in whole["annotations"]]
    assert len(ids) == len(set(ids))
    rows = {image["id"]: dict(image) for image in whole["images"]}
    for annotation in whole["annotations"]:
        told = {n: v for n, v in annotation.items() if n not in ("id", "image_id")}
        rows.get(annotation["image_id"], {}).update(told)
    for row in rows.values():
        row["id"] = row.pop("source_id", row["id"])  # where COCO asked for another
        if isinstance(row["id"], int) or row["id"].startswith("coco-"):
            del row["id"]
        row.pop("file_name", None)
    return list(rows.values())


_JSON = Member(
    lambda path, rows: path.write_text(json.dumps(rows, ensure_ascii=False), "utf-8"),
    lambda path: json.loads(path.read_bytes()),
    holds_half_surrogates=True,
)
_JSONL = Member(
    lambda path, rows: path.write_bytes(_lines(rows)),
    lambda path: [json.loads(line) for line in path.read_bytes().split(b"\n") if line],
    holds_half_surrogates=True,
)
_CSV = _table(",")
_TAR = Member(_save_tar, _load_tar, is_text=False, has_keys=True, leaves_out_null=True)
_IN_MEMORY = "a pickle is held whole"
_ALONE = "such files are given one by one"

# A new format joins the contract with its lines here.
MEMBERS: dict[str, Member] = {
    ".json": _JSON,
    ".jsonl": _JSONL,
    ".ndjson": _JSONL,
    ".csv": _CSV,
    ".tsv": _table("\t"),
    ".json.zst": _packed(_zstd(), _zstd("-d"), _JSON),
    ".jsonl.gz": _packed(gzip.compress, gzip.decompress, _JSONL),
    ".csv.bz2": _packed(bz2.compress, bz2.decompress, _CSV, 12_000_000),
    ".ndjson.xz": _packed(lzma.compress, lzma.decompress, _JSONL, 40_000_000),
    ".parquet": _arrow(lambda path, table: pq.write_table(table, path), pq.read_table),
    ".arrow": _arrow(_save_ipc(pa.ipc.new_file), lambda path: pa.ipc.open_file(path).read_all()),
    ".arrows": _arrow(
        _save_ipc(pa.ipc.new_stream), lambda path: pa.ipc.open_stream(path).read_all()
    ),
    ".feather": _arrow(
        lambda path, table: feather.write_feather(table, str(path)), feather.read_table
    ),
    ".tar": _TAR,
    ".tar.gz": _packed(gzip.compress, gzip.decompress, _TAR),
    "coco": Member(
        _save_coco,
        _load_coco,
        is_text=False,
        holds_half_surrogates=True,
        format_name="coco",
        leaves_out_null=True,
        leaves_out={"several files": _ALONE},
    ),
    "pickle": Member(
        lambda path, rows: path.write_bytes(pickle.dumps(rows)),
        lambda path: pickle.loads(path.read_bytes()),
        is_text=False,
        holds_half_surrogates=True,
        format_name="pickle",
        leaves_out={"constant memory": _IN_MEMORY, "several files": _ALONE},
    ),
}
"""Ending → member."""


def member_of(path: Path) -> Member:
    """The member whose ending `path` has."""
    endings = [ending for ending in MEMBERS if path.name.lower().endswith(ending)]
    return MEMBERS[max(endings, key=len)]
