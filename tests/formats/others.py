"""What is no single dataset file, in the contract: each saved and loaded by another hand than ours.

A row has two texts, ``id`` and ``note``. Each kind is saved in two files where it may have several.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.remote.path import AnyPath, RemotePath
from tests.formats.members import Rows
from tests.formats.shards import jpeg, members_in, write_tar

_TEXTS = pa.schema([("id", pa.string()), ("note", pa.string())])
_OWN = ("id", "note", "caption")


@dataclass(frozen=True)
class Other:
    """A kind of dataset in the contract.

    Attributes:
        save: Folder, rows and server → what is given as the input; by other means than ours.
        load: A finished output of it, and the server → its rows.
        output: The name of its output.
        parts: That of an output in parts; None for the same.
        several: As `save`, what is given for several files; None where it is several by itself.
        format_name: How its output is asked for, where the input and the name do not tell.
        server: The fixture that serves it.
        columns: Each of its columns, and what a row's texts in it are called.
        leaves_out: The promises that it does not make, and why.
        leaves_out_open: Whether a row without a caption is not in the output.
    """

    save: Callable[[Path, Rows, Any], str] | None = None
    load: Callable[[AnyPath, Any], Rows] | None = None
    output: str = "out.jsonl"
    parts: str | None = None
    several: Callable[[Path, Rows, Any], str] | None = None
    format_name: str | None = None
    server: str | None = None
    columns: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"id": ("id",), "note": ("note",)}
    )
    leaves_out: Mapping[str, str] = field(default_factory=dict)
    leaves_out_open: bool = False


def _halves(rows: Rows) -> tuple[Rows, Rows]:
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]


def _own(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the contract knows of a row."""
    return {name: row[name] for name in _OWN if name in row}


def _bytes(place: AnyPath, server: Any) -> bytes:
    if isinstance(place, RemotePath):
        return server.get(place.url.split("/", 3)[3])
    return place.read_bytes()


def _lines(rows: Rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _load_lines(place: AnyPath, server: Any) -> Rows:
    return [json.loads(line) for line in _bytes(place, server).split(b"\n") if line]


def _parquet(rows: Rows, schema: pa.Schema = _TEXTS) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), file)
    return file.getvalue()


def _load_parquet(place: AnyPath, server: Any) -> Rows:
    return list(map(_own, pq.read_table(io.BytesIO(_bytes(place, server))).to_pylist()))


# --- pictures and shards --------------------------------------------------------------------------


def _save_pictures(folder: Path, rows: Rows, _: Any) -> str:
    """Files in two folders, called by their rows; nobody looks into them."""
    for name, half in zip("ab", _halves(rows), strict=True):
        (folder / "in" / name).mkdir(parents=True)
        for row in half:
            (folder / "in" / name / f"{row['id']} {row['note']}.jpg").touch()
    return str(folder / "in")


def _load_pictures(place: AnyPath, server: Any) -> Rows:
    rows = []
    for row in _load_lines(place, server):
        stem = os.path.basename(row.pop("image", "")).removesuffix(".jpg")
        texts = dict(zip(("id", "note"), stem.split(" ", 1), strict=True)) if stem else {}
        rows.append({**texts, **row})
    return rows


def _save_shards(folder: Path, rows: Rows, _: Any) -> str:
    (folder / "in").mkdir()
    for number, half in enumerate(_halves(rows)):
        members = [(f"{row['id']}.{name}.txt", row[name].encode()) for row in half for name in row]
        write_tar(folder / "in" / f"{number:05}.tar", members)
    return str(folder / "in")


def _load_shards(place: AnyPath, _: Any) -> Rows:
    assert isinstance(place, Path)
    rows: dict[str, dict[str, Any]] = {}
    for shard in sorted(place.glob("*.tar")) if place.is_dir() else [place]:
        for name, data in members_in(shard):
            key, _, ending = name.partition(".")
            column = ending.removesuffix("txt").removesuffix(".") or "caption"
            rows.setdefault(key, {})[column] = data.decode()
    return list(rows.values())


# --- tables in folders ----------------------------------------------------------------------------


def _save_saved(folder: Path, rows: Rows, _: Any) -> str:
    """As Hugging Face's ``save_to_disk`` does it."""
    (folder / "in").mkdir()
    names = [f"data-{number:05}-of-00002.arrow" for number in range(2)]
    for name, half in zip(names, _halves(rows), strict=True):
        with pa.ipc.new_stream(folder / "in" / name, _TEXTS) as stream:
            stream.write_table(pa.Table.from_pylist(half, _TEXTS), max_chunksize=16)
    state = {"_data_files": [{"filename": name} for name in names]}
    (folder / "in" / "state.json").write_text(json.dumps(state))
    (folder / "in" / "dataset_info.json").write_text("{}")
    return str(folder / "in")


def _load_saved(place: AnyPath, server: Any) -> Rows:
    assert isinstance(place, Path)
    if place.suffix == ".parquet":
        return _load_parquet(place, server)
    rows = []
    for file in json.loads((place / "state.json").read_text())["_data_files"]:
        with pa.ipc.open_stream(place / file["filename"]) as stream:
            rows += stream.read_all().to_pylist()
    return rows


_DOWNLOADS = pa.schema([*_TEXTS, ("key", pa.string()), ("status", pa.string())])


def _save_downloads(folder: Path, rows: Rows, _: Any) -> str:
    """As img2dataset leaves them with ``files``."""
    for number, half in enumerate(_halves(rows)):
        pictures = folder / "in" / f"{number:05}"
        pictures.mkdir(parents=True)
        for row in half:
            (pictures / f"{row['id']}.jpg").write_bytes(jpeg(1))
        more = [{**row, "key": row["id"], "status": "success"} for row in half]
        pictures.with_suffix(".parquet").write_bytes(_parquet(more, _DOWNLOADS))
    return str(folder / "in")


# --- LLaVA ----------------------------------------------------------------------------------------

_QUESTION = {"from": "human", "value": "<image>\nWhat is it?"}


def _save_talks(folder: Path, rows: Rows, _: Any, name: str = "in") -> str:
    talks = [{**row, "image": "1.jpg", "conversations": [_QUESTION]} for row in rows]
    (folder / f"{name}.json").write_text(json.dumps(talks, ensure_ascii=False), "utf-8")
    return str(folder / f"{name}.json")


def _save_several_talks(folder: Path, rows: Rows, _: Any) -> str:
    for number, half in enumerate(_halves(rows)):
        _save_talks(folder, half, _, f"in-{number}")
    return str(folder / "in-*.json")


def _load_talks(place: AnyPath, server: Any) -> Rows:
    rows = []
    for row in json.loads(_bytes(place, server)):
        turns = row.pop("conversations")
        assert turns[0] == _QUESTION
        rows.append(_own({**row, "caption": turns[-1]["value"]}))
        assert (len(turns), turns[-1]["from"]) == (2, "gpt")
    return rows


# --- stores ------------------------------------------------------------------------------------


def _in_a_store(folder: Path, rows: Rows, store: Any) -> str:
    return store.put(f"{folder.name}/in.jsonl", _lines(rows))


def _several_in_a_store(folder: Path, rows: Rows, store: Any) -> str:
    for number, half in enumerate(_halves(rows)):
        url = store.put(f"{folder.name}/in-{number}.jsonl", _lines(half))
    return url.replace("-1.jsonl", "-{0..1}.jsonl")


def _store(server: str, output: str) -> Other:
    return Other(
        _in_a_store, _load_lines, output=output, several=_several_in_a_store, server=server
    )


_A_PATH = "a row is the path of a picture"
_NO_PICTURE = "a folder without pictures is an error"
_BESIDE = "captions go beside the pictures, into files of their own"

OTHERS = {
    "folder": Other(
        _save_pictures,
        _load_pictures,
        several=lambda *given: f"{_save_pictures(*given)}/*/*.jpg",
        columns={"image": ("id", "note")},
        leaves_out={"huge row": _A_PATH, "empty": _NO_PICTURE},
    ),
    "sidecars": Other(leaves_out={"fields": _BESIDE, "parts": _BESIDE}),
    "webdataset shards": Other(
        _save_shards,
        _load_shards,
        output="out",
        parts="out.tar",
        several=lambda *given: f"{_save_shards(*given)}/{{00000..00001}}.tar",
    ),
    "saved folder": Other(
        _save_saved,
        _load_saved,
        output="out",
        parts="out.parquet",
        several=lambda *given: f"{_save_saved(*given)}/*.arrow",
    ),
    "LLaVA": Other(
        _save_talks,
        _load_talks,
        output="out.json",
        several=_save_several_talks,
        format_name="llava",
        leaves_out_open=True,
    ),
    "img2dataset": Other(
        _save_downloads,
        _load_parquet,
        output="out.parquet",
        several=lambda *given: f"{_save_downloads(*given)}/*.parquet",
    ),
    "hf:": Other(),
    "ms:": Other(),
    "s3://": _store("s3", "s3://bucket/out.jsonl"),
    "gs://": _store("gs", "gs://bucket/out.jsonl"),
    "https://": _store("web", "out.jsonl"),
}
"""Name → what it is in the contract; without `save`, tests of its own hold it to its promises."""
