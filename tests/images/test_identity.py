import os
import shutil

from dataflow.core.picture import ImageRef
from dataflow.images.identity import identify
from dataflow.images.reference import parse_reference


def identity(value, folder):
    (ref,) = parse_reference(value, [str(folder)])
    return identify(ref, str(folder))


def test_a_path_counts_by_place_size_and_time(tmp_path):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"12345")
    os.utime(file, ns=(1, 1_700_000_000_123_456_789))
    before = identity("a.jpg", tmp_path)
    assert before == "path:a.jpg:5:1700000000123456789"
    assert identity("./a.jpg", tmp_path) == before
    file.write_bytes(b"123456")
    assert identity("a.jpg", tmp_path) != before
    os.utime(file, ns=(1, 1_700_000_000_123_456_790))
    file.write_bytes(b"12345")
    assert identity("a.jpg", tmp_path) != before


def test_a_moved_dataset_keeps_its_identities(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a.jpg").write_bytes(b"1")
    before = identity("a.jpg", tmp_path / "old")
    shutil.move(tmp_path / "old", tmp_path / "new")
    assert identity("a.jpg", tmp_path / "new") == before


def test_files_of_one_name_in_two_folders_are_two(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jpg").write_bytes(b"1")
        os.utime(tmp_path / folder / "a.jpg", ns=(1, 1))
    refs = [parse_reference("a.jpg", [str(tmp_path / f)])[0] for f in ("one", "two")]
    assert identify(refs[0], str(tmp_path)) != identify(refs[1], str(tmp_path))


def test_long_names_that_differ_in_the_middle_differ(tmp_path):
    names = ["x/" * 100 + middle + "/y" * 100 + ".jpg" for middle in "ab"]
    assert identity(names[0], tmp_path) != identity(names[1], tmp_path)


def test_a_missing_file_has_an_identity_of_its_own(tmp_path):
    assert identity("a.jpg", tmp_path) == "missing:a.jpg"
    assert identify(ImageRef("path", "x", "/a\0b"), "/") == "missing:a\0b"


def test_a_name_that_is_no_utf8_gives_valid_text(tmp_path):
    name = os.fsdecode(b"\xff.jpg")
    (tmp_path / name).write_bytes(b"1")
    assert identity(name, tmp_path).encode("utf-8").startswith(b"path:\\udcff.jpg:1:")


def test_bytes_count_by_their_digest(tmp_path):
    assert identity(b"abc", tmp_path) == identity(bytearray(b"abc"), tmp_path)
    assert identity(b"abc", tmp_path) != identity(b"abd", tmp_path)
    assert identity(b"abc", tmp_path).startswith("blake2b:")


def test_urls_count_by_themselves_and_show_no_secret(tmp_path):
    assert identity("http://h/a.jpg", tmp_path) == "url:http://h/a.jpg"
    first, second = (identity(f"http://h/a.jpg?k=s3cret{n}", tmp_path) for n in (1, 2))
    assert first != second
    assert "s3cret" not in first
