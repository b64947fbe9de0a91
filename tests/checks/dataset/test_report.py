"""The report over a stream, in bounded memory."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from dataflow.checks.dataset import near_duplicates, report, scan
from dataflow.checks.dataset.near_duplicates import NearDuplicates, sketches_of
from dataflow.checks.dataset.report import DatasetReport, NearDuplicateGroups, add_bounded
from dataflow.checks.dataset.scan import Caption, ChunkScanner, Fault
from dataflow.checks.rules.repeated import key_of
from dataflow.checks.suite import CaptionRequirements
from dataflow.core.errors import MissingPackageError


def added(report: DatasetReport, asked: CaptionRequirements, texts: list[str]) -> list[Fault]:
    captions = [Caption(row, f"row {row}", text, f"{row}.jpg") for row, text in enumerate(texts)]
    return report.add(captions, ChunkScanner(asked)([(text, ()) for text in texts]))


def test_a_row_with_several_faults_is_one_faulty_row():
    found = DatasetReport()
    faults = added(found, CaptionRequirements(min_words=9), ["**Sorry**, I can't help.", "A dog."])
    assert [(fault.caption.row, fault.kind) for fault in faults] == [
        (0, "refusal"),
        (0, "markup"),
        (0, "length"),
        (1, "length"),
    ]
    assert (found.captions, found.faulty) == (2, 2)


def test_rows_and_examples_are_kept_up_to_a_number(monkeypatch):
    monkeypatch.setattr(report, "MOST_ROWS", 5)
    found = DatasetReport(max_duplicates=None)
    for _ in range(3):
        added(found, CaptionRequirements(), ["null", "n/a", "None", "nan"])
    kind = found.kinds["error_text"]
    assert (kind.count, len(kind.rows), len(kind.examples)) == (12, 5, 3)
    assert len({fault.caption.text for fault in kind.examples}) == 3


def test_words_are_counted_up_to_a_number_of_different_ones(monkeypatch):
    monkeypatch.setattr(report, "MOST_WORDS", 2)
    counts = Counter(a=1, b=1)
    add_bounded(counts, Counter(a=2, c=9))
    assert counts == Counter(a=3, b=1)


FIRST = "a brown dog runs along the wet beach in the evening sun"
NEARLY = "a brown dog runs along the wet beach in the evening"
OTHER = "two grey cats sleep on a green sofa below the open window"


def compared(texts: dict[int, str]) -> list[tuple]:
    sketches = sketches_of([*texts.values()])
    return [
        (row, key_of(text), sketch)
        for (row, text), sketch in zip(texts.items(), sketches, strict=True)
    ]


def test_captions_past_the_index_are_still_compared_with_those_in_it():
    index = NearDuplicates(kept=1)
    assert index.near(compared({0: FIRST, 1: OTHER})) == []
    assert index.near(compared({2: OTHER, 3: FIRST, 4: ""})) == [(1, 0, True)]


def test_the_same_caption_is_told_from_one_that_is_nearly_the_same():
    found = DatasetReport(max_duplicates=None)
    added(found, CaptionRequirements(), [FIRST, OTHER, NEARLY, f"{OTHER.upper()}.", OTHER])
    assert (found.near.same, found.near.near) == (2, 1)
    assert found.near.pairs == [(2, 0, NEARLY)]


def test_the_report_does_without_the_packages_that_are_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "rensa", None)
    with pytest.raises(MissingPackageError, match=r"dataflow-caption\[check\]"):
        NearDuplicates()
    found = DatasetReport(near=NearDuplicateGroups())
    assert found.near is None
    text = "A dog."
    found.add(
        [Caption(0, "row 0", text)],
        ChunkScanner(CaptionRequirements(), with_near=False)([(text, ())]),
    )
    assert found.captions == 1
    assert near_duplicates.NEAR == 0.8


def test_captions_of_several_columns_come_in_chunks_of_one(monkeypatch):
    monkeypatch.setattr(scan, "CHUNK", 2)
    captions = [Caption(n // 2, "", "A dog.", column="ab"[n % 2]) for n in range(6)]
    chunks = [chunk for chunk, _ in ChunkScanner(CaptionRequirements()).all(captions, processes=1)]
    assert [[(caption.row, caption.column) for caption in chunk] for chunk in chunks] == [
        [(0, "a"), (1, "a")],
        [(0, "b"), (1, "b")],
        [(2, "a")],
        [(2, "b")],
    ]
