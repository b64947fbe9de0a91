"""No untouched field differs: a small number of rows each time, ten thousand when asked for."""

from __future__ import annotations

import pytest

from dataflow.formats.base import json_rows
from dataflow.formats.coco import coco
from dataflow.formats.text import csv_file
from dataflow.formats.webdataset import writer
from tests.formats.roundtrip import CHECKS, compare


@pytest.mark.parametrize("name", CHECKS)
def test_no_untouched_field_differs(name):
    found = compare(name, 300)
    assert found.rows >= 300
    assert found.fields > 100
    assert found.differences == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", CHECKS)
def test_no_untouched_field_of_ten_thousand_rows_differs(name):
    found = compare(name, 10_000)
    print(f"{name}: {found.rows} rows, {found.fields} fields, {len(found.differences)} differences")
    assert found.rows >= 10_000
    assert found.differences == []


def test_a_difference_would_be_seen_in_text(monkeypatch):
    monkeypatch.setattr(json_rows, "_appended", lambda raw, new, **_: raw[:-1].lower() + b"}")
    with pytest.raises(AssertionError):
        assert compare("jsonl", 100).differences == []


def test_a_difference_would_be_seen_in_a_table(monkeypatch):
    monkeypatch.setattr(csv_file, "utf8_safe", lambda text: text.strip())
    assert compare("csv", 100).differences


def test_a_difference_would_be_seen_in_a_shard(monkeypatch):
    """Be it the last byte of a file's contents or padding."""
    honest = writer._from_sample

    def careless(*given):
        for block in honest(*given):
            is_file = block[156:157] == b"0" and len(block) > 512
            yield block[:-1] + b"\1" if is_file else block

    monkeypatch.setattr(writer, "_from_sample", careless)
    assert compare("webdataset", 100).differences


def test_a_difference_would_be_seen_in_coco(monkeypatch):
    honest = coco.one_line
    monkeypatch.setattr(coco, "one_line", lambda raw: honest(raw).replace(b"1.10", b"1.1"))
    assert compare("coco", 100).differences
