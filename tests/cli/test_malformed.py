"""Datasets that are odd or broken: what the command says and does, and that nothing is spent."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.servers.hostile_server import KEY, MODEL, HostileServer

PICTURE = "photos/00000.jpg"
GOOD = json.dumps({"image": PICTURE})


@pytest.fixture
def server():
    with HostileServer(key=KEY) as running:
        yield running


@pytest.fixture
def caption(dataflow, pictures, server):
    """Captions a dataset of the given name and bytes; its one picture is there."""

    pictures(1)

    def run(name, data, *arguments):
        if data is not None:
            (dataflow.folder / name).write_bytes(data)
        engine = ["--api-url", server.url, "--model", MODEL]
        done = dataflow("caption", name, *engine, *arguments, DF_API_KEY=KEY)
        assert "Traceback" not in done.stderr
        return done

    return run


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def short_parquet(keep):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist([{"image": PICTURE}] * 1000), sink)
    data = sink.getvalue().to_pybytes()
    return data[: int(len(data) * keep)]


BROKEN = {
    "cut json": ("d.json", f'[{GOOD},\n{{"image": "a'.encode(), "line 2, column 11: invalid JSON"),
    "invalid json": ("d.json", f"[{GOOD},\n  {{'a': 1}}]".encode(), "line 2, column 4"),
    "a bad line": ("d.jsonl", f"{GOOD}\n{{a}}\n{GOOD}\n".encode(), "line 2, column 2: invalid"),
    "no object": ("d.jsonl", f"{GOOD}\n[]\n".encode(), "line 2: a row must be a JSON object"),
    "utf-16": ("d.jsonl", GOOD.encode("utf-16"), "iconv -f UTF-16 -t UTF-8"),
    "latin-1": ("d.csv", f"image,t\n{PICTURE},\xfc\n".encode("latin-1"), "line 2: the text is no"),
    "ragged csv": ("d.csv", f"image,t\n{PICTURE},x\nx\n".encode(), "line 3: 1 fields, but the"),
    "open quote": ("d.csv", f'image\n{PICTURE}\n"x\n'.encode(), "line 3: invalid CSV"),
    "column twice": ("d.csv", f"image,image\n{PICTURE},x\n".encode(), "named 'image'; rename"),
    "a parquet without its last byte": ("d.parquet", short_parquet(0.9999), "it may be cut short"),
    "an empty parquet": ("d.parquet", b"", "it may be cut short"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_dataset_stops_with_1_before_anything_is_spent(caption, server, dataflow, case):
    name, data, said = BROKEN[case]
    done = caption(name, data)
    assert done.returncode == 1, done.stderr
    assert name in done.stderr
    assert said in done.stderr
    assert server.asked == 0
    assert not (dataflow.folder / "d.captions.jsonl").exists()


def test_a_picture_column_that_is_not_there_is_wrong_usage(caption, server):
    done = caption("d.json", b'[{"id": 1, "pic": "x"}]')
    assert done.returncode == 2, done.stderr
    assert "d.json" in done.stderr
    assert "there is: 'id', 'pic'" in done.stderr
    assert server.asked == 0


ODD = {
    "a member twice": ("d.jsonl", f'{{"image": "nowhere", "image": "{PICTURE}"}}'.encode()),
    "NaN": ("d.json", f'[{{"image": "{PICTURE}", "score": NaN, "b": [-Infinity]}}]'.encode()),
    "a byte order mark": ("d.jsonl", b"\xef\xbb\xbf" + GOOD.encode()),
    "a byte order mark in csv": ("d.csv", b"\xef\xbb\xbfimage\n" + PICTURE.encode()),
    "CRLF": ("d.jsonl", b"\r\n" + GOOD.encode() + b"\r\n\r\n"),
    "a field of 8 MB": ("d.jsonl", json.dumps({"image": PICTURE, "t": "x" * 2**23}).encode()),
    "a cell of 8 MB": ("d.csv", f"image,t\n{PICTURE},{'x' * 2**23}\n".encode()),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_dataset_is_captioned_all_the_same(caption, dataflow, case):
    done = caption(*ODD[case])
    assert done.returncode == 0, done.stderr
    (row,) = lines_of(dataflow.folder / "d.captions.jsonl")
    assert row["image"] == PICTURE
    assert row["caption"].startswith("A picture with the mark")


def test_what_is_odd_stays_as_it_was(caption, dataflow):
    text = f'{{"image": "x", "n": NaN, "z": 1.10, "image": "{PICTURE}"'
    assert caption("d.jsonl", f"{text}}}".encode()).returncode == 0
    assert (dataflow.folder / "d.captions.jsonl").read_text().startswith(text)


@pytest.mark.parametrize("name", ["d.json", "d.jsonl", "d.csv"])
def test_an_empty_file_gives_an_empty_output(caption, server, dataflow, name):
    done = caption(name, b"")
    assert done.returncode == 0, done.stderr
    assert (dataflow.folder / "d.captions.jsonl").read_bytes() == b""
    assert server.asked == 0


# --- rows to skip ---------------------------------------------------------------------------------

SKIPPED = {
    "jsonl": (f"{GOOD}\n{{a}}\n{GOOD}\n", r"d.jsonl, line 2, column 2", "invalid JSON"),
    "json": (f"[{GOOD},\n 7, {GOOD}]", r"d.json, line 2, column 2", "must be a JSON object"),
    "csv": (f"image,t\n{PICTURE},x\nx\n{PICTURE},y\n", "d.csv, line 3", "1 fields, but"),
}


@pytest.mark.parametrize("ending", SKIPPED)
def test_a_skipped_row_is_left_out_listed_and_ends_with_3(caption, dataflow, ending):
    text, place, problem = SKIPPED[ending]
    done = caption(f"d.{ending}", text.encode(), "--on-bad-row", "skip", "-o", f"out.{ending}")
    assert done.returncode == 3, done.stderr
    assert re.search(r"left out: bad_line +1 *\n", done.stderr)
    assert re.search(r"captioned +2 *\n", done.stderr)
    (error,) = lines_of(dataflow.folder / f"out.{ending}.errors.jsonl")
    assert (error["row"], error["place"], error["kind"]) == (None, place, "bad_line")
    assert problem in error["message"]
    assert error["attempts"] == 0


def test_failed_and_skipped_rows_are_listed_together(caption, dataflow):
    data = f'{{a}}\n{GOOD}\n{{"image": "nowhere.jpg"}}\n'.encode()
    assert caption("d.jsonl", data, "--on-bad-row", "skip").returncode == 3
    errors = lines_of(dataflow.folder / "d.captions.jsonl.errors.jsonl")
    assert [(error["row"], error["kind"]) for error in errors] == [
        (1, "picture_missing"),
        (None, "bad_line"),
    ]
    assert len(lines_of(dataflow.folder / "d.captions.jsonl")) == 2


def test_when_the_line_is_mended_only_it_is_asked(caption, server, dataflow):
    data = f'{GOOD}\n{{"image": "{PICTURE}", "conversation": [{{"from": "human", "value": "W?"}}]\n'
    assert caption("d.jsonl", data.encode(), "--on-bad-row", "skip").returncode == 3
    assert server.asked == 1
    done = caption("d.jsonl", data.replace("]\n", "]}\n").encode(), "--on-bad-row", "skip")
    assert done.returncode == 0, done.stderr
    assert server.asked == 2
    assert len(lines_of(dataflow.folder / "d.captions.jsonl")) == 2
    assert not (dataflow.folder / "d.captions.jsonl.errors.jsonl").exists()


# --- a column that exists -------------------------------------------------------------------------


def with_old_caption(ending, tmp_path):
    rows = [{"image": PICTURE, "caption": "old"}]
    if ending == "parquet":
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        return sink.getvalue().to_pybytes()
    text = {
        "json": json.dumps([{"image": PICTURE}, *rows]),
        "jsonl": f"{GOOD}\n{json.dumps(rows[0])}\n",
        "csv": f"image,caption\n{PICTURE},old\n",
    }
    return text[ending].encode()


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv", "parquet"])
def test_a_column_that_exists_is_kept_and_refused(caption, server, dataflow, tmp_path, ending):
    data = with_old_caption(ending, tmp_path)
    done = caption(f"d.{ending}", data, "-o", f"out.{ending}")
    assert done.returncode == 2, done.stderr
    assert all(word in done.stderr for word in ("'caption'", "--output-key", "--overwrite-column"))
    assert server.asked == 0
    assert not (dataflow.folder / f"out.{ending}").exists()
    assert (dataflow.folder / f"d.{ending}").read_bytes() == data


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv", "parquet"])
def test_a_column_that_exists_is_replaced_where_that_is_asked_for(
    caption, dataflow, tmp_path, ending
):
    data = with_old_caption(ending, tmp_path)
    done = caption(f"d.{ending}", data, "--overwrite-column", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    rows = lines_of(dataflow.folder / "out.jsonl")
    assert all(row["caption"].startswith("A picture with the mark") for row in rows)


def test_another_output_key_keeps_the_column(caption, dataflow, tmp_path):
    data = with_old_caption("jsonl", tmp_path)
    assert caption("d.jsonl", data, "--output-key", "new").returncode == 0
    rows = lines_of(dataflow.folder / "d.captions.jsonl")
    assert [row.get("caption") for row in rows] == [None, "old"]
    assert all(row["new"] for row in rows)


def test_the_column_of_the_former_run_is_no_hindrance(caption, server):
    for _ in range(2):
        assert caption("d.jsonl", GOOD.encode()).returncode == 0
    assert server.asked == 1


def test_the_picture_column_of_a_folder_is_not_overwritten(caption, server):
    done = caption("photos", None, "--output-key", "image")
    assert done.returncode == 2, done.stderr
    assert server.asked == 0
