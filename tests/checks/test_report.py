"""The report over a stream, in bounded memory."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from dataflow.checks import near, report
from dataflow.checks.look import Caption, Looker
from dataflow.checks.near import NearDuplicates
from dataflow.checks.report import Report, add_bounded
from dataflow.checks.suite import Asked
from dataflow.core.errors import MissingPackageError


def captions(texts: list[str]) -> list[Caption]:
    return [Caption(row, f"row {row}", text, f"{row}.jpg") for row, text in enumerate(texts)]


def test_a_row_with_several_faults_is_one_faulty_row():
    found = Report()
    faults = found.add(Looker(Asked(min_words=9))(captions(["**Sorry**, I can't help.", "A dog."])))
    assert [(fault.caption.row, fault.kind) for fault in faults] == [
        (0, "refusal"),
        (0, "markup"),
        (0, "length"),
        (1, "length"),
    ]
    assert (found.rows, found.faulty) == (2, 2)


def test_rows_and_examples_are_kept_up_to_a_number(monkeypatch):
    monkeypatch.setattr(report, "MOST_ROWS", 5)
    found = Report(most_alike=None)
    for _ in range(3):
        found.add(Looker(Asked())(captions(["null", "n/a", "None", "nan"])))
    kind = found.kinds["error_text"]
    assert (kind.count, len(kind.rows), len(kind.examples)) == (12, 5, 3)
    assert len({fault.caption.text for fault in kind.examples}) == 3


def test_words_are_counted_up_to_a_number_of_different_ones(monkeypatch):
    monkeypatch.setattr(report, "MOST_WORDS", 2)
    counts = Counter(a=1, b=1)
    add_bounded(counts, Counter(a=2, c=9))
    assert counts == Counter(a=3, b=1)


def test_captions_past_the_index_are_still_compared_with_those_in_it():
    index = NearDuplicates(kept=1)
    first = "a brown dog runs along the wet beach in the evening sun"
    other = "two grey cats sleep on a green sofa below the open window"
    assert index.near([(0, first), (1, other)]) == []
    assert index.near([(2, other), (3, first), (4, "")]) == [(3, 0)]


def test_the_report_does_without_the_packages_that_are_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "rensa", None)
    with pytest.raises(MissingPackageError, match=r"dataflow-caption\[check\]"):
        NearDuplicates()
    assert Report().near is None
    assert near.NEAR == 0.8
