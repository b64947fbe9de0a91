"""Chinese pages know the state of the English source that they follow."""

from __future__ import annotations

import pytest
from tools import zh_pages

from tests.paths import ROOT


@pytest.fixture
def site(tmp_path):
    (tmp_path / "docs" / "zh").mkdir(parents=True)
    (tmp_path / "docs" / "start.md").write_text("# Start\n\nText.\n")
    (tmp_path / "docs" / "zh" / "start.md").write_text("# 上手\n\n文字。\n")
    zh_pages.main(["--stamp"], tmp_path)
    return tmp_path


def test_a_stamped_page_is_fresh_and_keeps_its_text(site, capsys):
    assert zh_pages.main(["--check"], site) == 0
    assert (site / "docs" / "zh" / "start.md").read_text().startswith("# 上手\n\n文字。\n\n<!-- ")
    assert capsys.readouterr().out == ""


def test_a_page_whose_source_changed_is_listed(site, capsys):
    (site / "docs" / "start.md").write_text("# Start\n\nOther text.\n")
    assert zh_pages.main(["--check"], site) == 1
    assert capsys.readouterr().out == "docs/zh/start.md: docs/start.md has changed since\n"
    zh_pages.main(["--stamp", "docs/zh/start.md"], site)
    assert zh_pages.main(["--check"], site) == 0


def test_what_is_generated_in_a_source_makes_nothing_stale(site):
    source = site / "docs" / "start.md"
    block = "<!-- generated: x -->\n\n{}\n\n<!-- generated: end of x -->\n"
    source.write_text(block.format("one"))
    zh_pages.main(["--stamp"], site)
    source.write_text(block.format("two"))
    assert zh_pages.main(["--check"], site) == 0


def test_a_page_without_a_stamp_is_stale(site):
    (site / "docs" / "zh" / "new.md").write_text("# 新\n")
    (site / "docs" / "new.md").write_text("# New\n")
    assert zh_pages.main(["--check"], site) == 1


def test_every_chinese_page_has_a_source_and_a_stamp():
    for page in zh_pages.pages(ROOT):
        assert (ROOT / zh_pages.source_of(ROOT, page)).exists(), page
        assert zh_pages.STAMP.search(page.read_text(encoding="utf-8")), page
