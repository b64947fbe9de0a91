"""The report of a dataset's captions as one page that needs nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dataflow.app.options.commands.review import ReportPageOptions
from dataflow.app.review import report
from dataflow.core.aio import run_to_end
from dataflow.core.errors import OutputError, UsageError
from tests.review.running import TEXTS, make_dataset


def page(tmp_path: Path, **more) -> str:
    options = ReportPageOptions(
        dataset=str(make_dataset(tmp_path)), output=str(tmp_path / "report.html"), **more
    )
    return report(options).read_text(encoding="utf-8")


def test_a_report_needs_no_server_and_runs_nothing(tmp_path):
    text = page(tmp_path)
    assert "<script" not in text
    assert "default-src 'none'" in text
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert text.count("data:image/") >= len(TEXTS)


def test_captions_in_a_report_are_text(tmp_path):
    text = page(tmp_path)
    assert "&lt;script&gt;document.title=2&lt;/script&gt;" in text


def test_a_report_counts_what_the_checks_found(tmp_path):
    text = page(tmp_path)
    assert f"{len(TEXTS)} captions" in text
    assert "<td>refusal</td>" in text
    assert text.index("cannot help") < text.index("A random sample")


def test_the_sample_repeats_with_its_seed(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = page(tmp_path / "a", seed=3), page(tmp_path / "b", seed=3)
    assert first.replace(str(tmp_path / "a"), "") == second.replace(str(tmp_path / "b"), "")


def test_a_picture_that_cannot_be_read_says_why_in_its_place(tmp_path):
    path = make_dataset(tmp_path)
    (tmp_path / "0.png").write_bytes(b"no picture")
    options = ReportPageOptions(dataset=str(path), output=str(tmp_path / "report.html"))
    assert "0.png" in report(options).read_text(encoding="utf-8")


def test_a_report_that_cannot_be_written_is_a_clear_error(tmp_path):
    output = str(tmp_path / "none" / "report.html")
    options = ReportPageOptions(dataset=str(make_dataset(tmp_path)), output=output)
    with pytest.raises(OutputError, match="cannot be written"):
        report(options)


def test_a_dataset_at_a_url_is_refused_with_the_cure(tmp_path):
    with pytest.raises(UsageError, match="copy the dataset"):
        report(ReportPageOptions(dataset="https://127.0.0.1:9/x.jsonl", output="r.html"))


def test_a_report_is_written_in_a_notebook_too_where_an_event_loop_runs(tmp_path):
    path = tmp_path / "report.html"
    options = ReportPageOptions(dataset=str(make_dataset(tmp_path)), output=str(path))

    async def cell() -> None:
        report(options)

    run_to_end(cell())
    assert "A red car on a street." in path.read_text(encoding="utf-8")
