"""What a command prints is compared with its page, however long the command took."""

from __future__ import annotations

import pytest

from tests.docs.blocks import fits

PAGE = "rows      5\ncaptioned 5\n…\n"
SUMMARY = "rows 5\ncaptioned 5\ntime 7.9 s\n"


@pytest.mark.parametrize(
    "line",
    [
        "reading",
        "reading, 40,000 rows",
        "starting engine",
        "writing",
        "5 of 5 (100 %)",
        "2 of 5 (40 %), 1 failed, 3 s left, 0.4 captions/s",
        "fetching demo.gguf, 10 of 38 MB",
    ],
)
def test_a_line_of_progress_before_the_summary_is_no_difference(line):
    assert fits(PAGE, f"{line}\n{SUMMARY}")


@pytest.mark.parametrize("line", ["reading failed", "5 of 6 rows are broken", "warning: writing"])
def test_any_other_line_is_a_difference(line):
    assert not fits(PAGE, f"{line}\n{SUMMARY}")


def test_a_page_may_show_progress_itself():
    assert fits(f"2 of 5 (40 %)\n{PAGE}", f"2 of 5 (40 %)\n{SUMMARY}")
