"""WebDataset names with dots of their own, and members that do not stand together."""

from __future__ import annotations

import io
import tarfile

import pytest

from dataflow.core.errors import InputError, UsageError
from dataflow.formats.registry import ReadOptions, resolve_input
from dataflow.formats.webdataset.reader import NAMELESS, SCATTERED


def shard(path, *names):
    with tarfile.open(path, "w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"abc"))
    return path


def keys(path, wds_key=None):
    reader = resolve_input(path).open(ReadOptions(wds_key=wds_key))
    return [row.fields["__key__"] for row in reader.rows()], reader.skipped.passed_over


@pytest.mark.parametrize(
    "names",
    [
        ["2024.05.17-12.00.00.png", "2024.05.17-12.01.00.png"],
        ["22.05.png", "22.06.png"],
        ["d/v1.2.jpg", "d/v1.3.jpg", "d/v1.3.txt"],
    ],
)
def test_pictures_that_the_first_dot_throws_together_are_an_error_with_the_choice(tmp_path, names):
    path = shard(tmp_path / "x.tar", *names)
    with pytest.raises(UsageError, match=r"--wds-key last-dot.*--wds-key first-dot"):
        keys(path)
    assert len(keys(path, "first-dot")[0]) == 1
    assert keys(path, "last-dot")[0] == list(
        dict.fromkeys(name.rpartition(".")[0] for name in names)
    )


def test_parts_of_a_sample_by_words_need_no_choice(tmp_path):
    path = shard(tmp_path / "x.tar", "0001.left.jpg", "0001.right.jpg", "0001.seg.png")
    assert keys(path)[0] == ["0001"]


def test_members_that_do_not_follow_each_other_are_counted(tmp_path):
    path = shard(tmp_path / "x.tar", "1.jpg", "2.jpg", "1.txt", "2.txt")
    assert keys(path) == (["1", "2", "1", "2"], {SCATTERED: 2})
    tidy = shard(tmp_path / "y.tar", "1.jpg", "1.txt", "2.jpg", "2.txt")
    assert keys(tidy) == (["1", "2"], {})


def test_an_unknown_rule_is_refused(tmp_path):
    with pytest.raises(UsageError, match="first-dot or last-dot"):
        keys(shard(tmp_path / "x.tar", "1.jpg"), "middle")


@pytest.mark.parametrize("names", [["0", "1"], [".0.jpg", ".1.jpg"], ["pictures/0", "pictures/1"]])
def test_a_shard_of_files_that_make_no_sample_is_an_error(tmp_path, names):
    path = shard(tmp_path / "x.tar", *names)
    with pytest.raises(InputError, match=r"no sample, but 2 files .* not KEY\.ENDING"):
        keys(path)


def test_files_that_make_no_sample_are_counted(tmp_path):
    path = shard(tmp_path / "x.tar", "._1.jpg", "1.jpg", "readme", "2.jpg", "__meta__/x")
    assert keys(path) == (["1", "2"], {NAMELESS: 2})


def test_an_empty_shard_has_no_rows(tmp_path):
    assert keys(shard(tmp_path / "x.tar")) == ([], {})
