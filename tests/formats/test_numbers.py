"""Numbers of JSON on their way into columns that have types: kept, or refused by name."""

from __future__ import annotations

import json
import math

import pytest

from dataflow.core.errors import OutputError
from dataflow.formats.columns.field_filter import FieldFilter
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from tests.formats.shards import write_tar

TYPED = [".parquet", ".arrow", ".arrows", ".feather"]


def converted(source, output, **options):
    reader = open_reader(source)
    writer = writer_for(output, reader, ["caption"], **options)(output)
    try:
        for row in reader.rows():
            writer.write(row, {"caption": "c"})
        writer.close()
    except OutputError:
        writer.discard()
        raise
    return [dict(row.fields) for row in open_reader(output).rows()]


def save(folder, ending, numbers):
    """A dataset with a row for each of `numbers`, in JSON's own digits."""
    path = folder / f"in{ending}"
    rows = [f'{{"image": "{n}.jpg", "v": {number}}}' for n, number in enumerate(numbers)]
    if ending == ".jsonl":
        path.write_text("\n".join(rows))
    elif ending == ".tar":
        write_tar(path, [(f"{n}.json", row.encode()) for n, row in enumerate(rows)])
    elif ending == ".coco.json":
        images = (row.replace('"image"', f'"id": {n}, "file_name"') for n, row in enumerate(rows))
        path.write_text(f'{{"images": [{", ".join(images)}], "annotations": []}}')
    else:
        path.write_text(f"[{', '.join(rows)}]")
    return path


@pytest.mark.parametrize("ending", TYPED)
@pytest.mark.parametrize("source", [".json", ".jsonl", ".tar", ".coco.json"])
def test_a_number_larger_than_any_double_is_refused_and_never_infinity(tmp_path, source, ending):
    path = save(tmp_path, source, ["1.5", "-1e400", "1e400"])
    with pytest.raises(OutputError, match=r"in\.\S+, .+: the number -1e400 in column '(v|json)'"):
        converted(path, tmp_path / f"out{ending}")
    assert not (tmp_path / f"out{ending}").exists()


@pytest.mark.parametrize(
    "value",
    ["1e400", "[0, 1e400]", '{"a": [{"b": 1e400}]}', "1" + "0" * 5000, '{"1e9": -1.0E+309}'],
    ids=["alone", "in a list", "deep", "whole", "exponent"],
)
def test_it_is_found_wherever_it_stands_in_a_value(tmp_path, value):
    path = save(tmp_path, ".jsonl", ["null", value])
    with pytest.raises(OutputError, match=r"line 2: the number \S+ in column 'v' is larger") as no:
        converted(path, tmp_path / "out.parquet")
    assert len(no.value.message) < 400


def test_it_hinders_nothing_where_its_column_is_dropped_or_no_types_are_needed(tmp_path):
    path = save(tmp_path, ".jsonl", ["1e400"])
    dropped = FieldFilter(drop=frozenset({"v"}))
    rows = converted(path, tmp_path / "out.parquet", choice=dropped)
    assert rows == [{"image": "0.jpg", "caption": "c"}]
    for name in ("out.jsonl", "out.json", "out.csv"):
        converted(path, tmp_path / name)
        assert "1e400" in (tmp_path / name).read_text()


@pytest.mark.parametrize("ending", TYPED)
def test_infinities_that_are_meant_stay(tmp_path, ending):
    path = save(tmp_path, ".jsonl", ["1.5", "Infinity", "-Infinity", "NaN", "null"])
    found = [row["v"] for row in converted(path, tmp_path / f"out{ending}")]
    assert found[:3] == [1.5, math.inf, -math.inf]
    assert math.isnan(found[3])
    assert found[4] is None


@pytest.mark.parametrize("ending", TYPED)
def test_the_largest_numbers_that_have_a_type_are_exact(tmp_path, ending):
    whole = [str(2**63 - 1), str(-(2**63)), "0"]
    found = [row["v"] for row in converted(save(tmp_path, ".json", whole), tmp_path / f"a{ending}")]
    assert found == [int(number) for number in whole]
    fractions = ["1.7976931348623157e308", "5e-324", "0.1", str(2**53)]
    path = save(tmp_path, ".json", fractions)
    found = [row["v"] for row in converted(path, tmp_path / f"b{ending}")]
    assert found == [json.loads(number) for number in fractions]


@pytest.mark.parametrize(
    "numbers",
    [["1", str(2**64)], [str(2**63), "-1"], ["0.5", str(2**53 + 1)], ["0.5", str(2**70)]],
    ids=["beyond 64 bits", "of both signs", "rounded", "among fractions"],
)
@pytest.mark.parametrize("chunk", [1, 512])
def test_a_whole_number_that_would_be_rounded_is_refused(tmp_path, monkeypatch, numbers, chunk):
    monkeypatch.setattr("dataflow.formats.base.arrow_inference.CHUNK_ROWS", chunk)
    path = save(tmp_path, ".jsonl", numbers)
    with pytest.raises(OutputError, match=r"line \d: the value of column 'v'"):
        converted(path, tmp_path / "out.parquet")
