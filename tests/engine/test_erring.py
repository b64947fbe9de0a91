"""A server that errs in each way: asking again gets captions, each fault by its own remedy."""

from __future__ import annotations

import sys

import pytest

from tests.paths import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import reask_table

ROWS = 100


@pytest.mark.parametrize("fault", reask_table.KINDS)
def test_each_fault_is_asked_about_with_its_remedy_and_nothing_is_edited(fault, tmp_path):
    found = reask_table.measure(fault, ROWS, tmp_path)
    assert found.unhelped == 0
    assert found.helped == found.summary.asked_again > 10
    assert found.edited == 0
    assert found.accepted >= 0.95
    assert found.asks < 1.6


def test_faults_of_all_kinds_in_one_run(tmp_path):
    found = reask_table.measure(None, ROWS, tmp_path)
    assert (found.unhelped, found.edited) == (0, 0)
    assert found.accepted >= 0.95


def test_without_asking_again_the_faulty_captions_are_flagged_or_missing(tmp_path):
    found = reask_table.measure(None, ROWS, tmp_path, on_reject="flag")
    assert found.asks == 1
    assert 0.6 < found.accepted < 0.8
    assert set(found.summary.failed) == {"empty", "error_text", "refusal"}
    assert {"loop", "markup", "echo", "cut_off", "language"} <= set(found.summary.flagged)
