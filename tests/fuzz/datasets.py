"""Dataset files: any bytes are rows, or an error that names the file."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from dataflow.core.errors import InputError, OutputError
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from tests.fuzz.mutate import mutated

ROWS = [
    {"id": 1, "image": "a.jpg", "text": "é\n\u2028 \U0001f99c", "deep": {"x": [1, None, 2.5e300]}},
    {"id": 2, "image": ["b.jpg", "c.jpg"], "text": "", "deep": None},
    {"id": 12345678901234567890, "image": None, "more": "x" * 300, "text": '"quoted", yes'},
]
JSON_WORDS = tuple(
    word.encode("utf-8", "surrogatepass")
    for word in (
        "{", "}", "[", "]", ",", ":", '"', "\\", "\\u", "\\ud800", "null", "true", "NaN",
        "-Infinity", "1e999", "-0", "00", "1" * 400, '"a":', "\r\n", "\n", "\t", "\ufeff", "\ud800",
        "\u2028", "[" * 600, '{"a":' * 600, '{"image":"x"}', '"image"', "//", "/*",
    )
)  # fmt: skip
CSV_WORDS = (b'"', b'""', b",", b"\t", b"\r", b"\n", b"\r\n", b"\x00", b"\xef\xbb\xbf", b'",\n"')


def _csv(separator: str) -> bytes:
    lines = [("id", "image", "text"), ("1", "a.jpg", '"é, ""x""\nnext"'), ("2", "b.jpg", "")]
    return "".join(separator.join(line) + "\r\n" for line in lines).encode()


_TABLE = {
    "id": [1, 2, 3],
    "image": [["a.jpg"], ["b.jpg", "c.jpg"], None],
    "data": [{"bytes": b"\xff\xd8", "path": None}, None, {"bytes": b"", "path": "x"}],
    "text": ["é", None, "x" * 50],
}


def _parquet(**options: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(_TABLE), file, row_group_size=2, **options)
    return file.getvalue()


def _arrow(new: Callable[..., Any], codec: str | None = None) -> bytes:
    file, table = io.BytesIO(), pa.table(_TABLE)
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with new(file, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=2)
    return file.getvalue()


_LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
SEEDS = {
    "json": [json.dumps(ROWS, indent=1).encode(), b"[]", b"[{}]", b" [ { } , { } ] "],
    "jsonl": [_LINES, _LINES.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + _LINES, b"\n\n" + _LINES],
    "csv": [_csv(","), b"a\n1\n"],
    "tsv": [_csv("\t"), b"a\tb\n1\t2\n"],
    "arrow": [_arrow(pa.ipc.new_file), _arrow(pa.ipc.new_file, "lz4")],
    "arrows": [_arrow(pa.ipc.new_stream), _arrow(pa.ipc.new_stream, "zstd")],
    "jsonl.gz": [gzip.compress(_LINES), gzip.compress(_LINES) * 2],
    "jsonl.zst": [pa.compress(_LINES, "zstd", asbytes=True)],
    "csv.bz2": [bz2.compress(_csv(","))],
    "json.xz": [lzma.compress(json.dumps(ROWS).encode())],
    "parquet": [_parquet(), _parquet(compression="NONE"), _parquet(use_dictionary=False)],
}
WORDS = {"json": JSON_WORDS, "jsonl": JSON_WORDS, "csv": CSV_WORDS, "tsv": CSV_WORDS}


@st.composite
def inputs(draw: st.DrawFn) -> tuple[str, bytes]:
    """A format's ending, and bytes."""
    ending = draw(st.sampled_from(sorted(SEEDS)))
    near = mutated(SEEDS[ending], WORDS.get(ending, ()))
    return ending, draw(st.one_of(near, near, near, st.binary(max_size=400)))


def check(given: tuple[str, bytes]) -> None:
    """The file is read whole and written again, or it is an `InputError` that names it."""
    ending, data = given
    with tempfile.TemporaryDirectory(prefix="dataflow-fuzz-") as folder:
        path = Path(folder, f"data.{ending}")
        path.write_bytes(data)
        refused = None
        try:
            reader = open_reader(path)
            count = reader.count()
            rows = list(reader.rows())
        except InputError as error:
            refused = error.message
        if refused is not None:
            assert f"data.{ending}" in refused, refused
            assert len(refused) < 2000, refused
            return
        assert [row.index for row in rows] == list(range(len(rows)))
        assert count in (None, len(rows))
        for other in (ending, "jsonl"):
            _write_again(path, Path(folder, f"out.{other}"), len(rows))


def _write_again(path: Path, output: Path, rows: int) -> None:
    reader = open_reader(path)
    try:
        writer = writer_for(output, reader, ["new caption"])(output)
        try:
            for row in reader.rows():
                writer.write(row, {"new caption": f'caption {row.index}\n\u2028\x00,"'})
            writer.close()
        except BaseException:
            writer.discard()
            raise
    except OutputError:
        return
    written = list(open_reader(output).rows())
    assert len(written) == rows
    for row in written:
        assert str(row.fields["new caption"]).startswith(f"caption {row.index}"), row.fields
