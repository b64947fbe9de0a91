import base64
import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.core.errors import BadRowError, PictureForbiddenError, RowError
from dataflow.core.text import short_text
from dataflow.images.reference import parse_reference

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8
BASE64 = base64.b64encode(JPEG).decode()


def _id(value: object) -> str:
    """The value's repr without its address, which differs between processes."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def one(value, folders=("/data",), **options):
    (ref,) = parse_reference(value, folders, **options)
    return ref


@pytest.mark.parametrize(
    "value",
    [None, "", "  ", b"", [], (), {}, float("nan"), pd.NA, pd.NaT, np.array([]), memoryview(b"")],
    ids=_id,
)
def test_nothing_is_no_picture(value):
    assert parse_reference(value, ["/data"]) == []


def test_a_null_image_of_a_dataset_is_no_picture():
    assert parse_reference({"bytes": None, "path": None}, ["/data"]) == []


def test_the_pictures_of_a_persons_turns_in_order():
    turns = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "image", "image": "a.jpg"}, {"type": "text", "text": "?"}],
        },
        {"role": "assistant", "content": [{"type": "image", "image": "no.jpg"}]},
        {
            "from": "Human",
            "value": [{"type": "image_url", "image_url": {"url": "https://x.org/b"}}],
        },
        {
            "role": "user",
            "content": [{"type": "image"}, "text", {"type": "image", "path": "c.jpg"}],
        },
    ]
    expected = ["/data/a.jpg", "https://x.org/b", "/data/c.jpg"]
    for value in (turns, json.dumps(turns), tuple(turns)):
        assert [ref.location for ref in parse_reference(value, ["/data"])] == expected
    assert parse_reference(turns[:1], ["/data"]) == []


def test_a_relative_path_is_found_in_the_first_folder_that_has_it(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    (second / "a.jpg").write_bytes(JPEG)
    folders = [str(first), str(second)]
    assert one("a.jpg", folders).location == str(second / "a.jpg")
    (first / "a.jpg").write_bytes(JPEG)
    assert one("a.jpg", folders).location == str(first / "a.jpg")
    missing = one("b.jpg", folders)
    assert (missing.kind, missing.name, missing.location) == ("path", "b.jpg", f"{first}/b.jpg")


def test_absolute_and_pathlib_paths(tmp_path):
    assert one(str(tmp_path / "a.jpg")).location == str(tmp_path / "a.jpg")
    assert one(tmp_path / "a.jpg").location == str(tmp_path / "a.jpg")
    assert one(Path("x") / "a.jpg").location == "/data/x/a.jpg"


@pytest.mark.parametrize(
    "name", ["a\nb.jpg", "a\u2028b.jpg", "colon:name.jpg", "🐈.jpg", " a .jpg", "%s{x}.jpg"]
)
def test_odd_names_stay_as_they_are(name):
    ref = one(name)
    assert ref.location == f"/data/{name}"
    assert ref.name.isprintable()


def test_a_name_that_is_no_utf8():
    name = os.fsdecode(b"caf\xe9.jpg")
    assert os.fsencode(one(name).location) == b"/data/caf\xe9.jpg"
    assert one(name).name == "caf\\udce9.jpg"


@pytest.mark.parametrize("name", ["a\0.jpg", "\ud800.jpg"])
def test_names_that_no_file_can_have(name):
    with pytest.raises(BadRowError, match="no file can have"):
        one(name)


def test_urls():
    ref = one(" https://host.example/a%2Fb.jpg?sig=s3cret#top ")
    assert ref.kind == "url"
    assert ref.location == "https://host.example/a%2Fb.jpg?sig=s3cret"
    assert ref.name == "https://host.example/a%2Fb.jpg?…"
    assert one("HTTP://host.example/a.jpg").kind == "url"


@pytest.mark.parametrize(
    "url",
    [
        "file://other-machine/etc/passwd",
        "ftp://host/a.jpg",
        "sftp://bucket/a.jpg",
        "gopher://h/",
        "https://me:pw@host/a.jpg",
        "javascript:alert(1)",
    ],
)
def test_other_schemes_and_passwords_are_refused(url):
    with pytest.raises(PictureForbiddenError) as caught:
        one(url)
    assert "pw" not in caught.value.message


@pytest.mark.parametrize("url", ["http://", "http:///a.jpg", "http://[::1/a", "http://h:99999/a"])
def test_broken_urls(url):
    with pytest.raises(BadRowError, match="no valid URL"):
        one(url)


@pytest.mark.parametrize(
    "uri",
    [
        f"data:image/jpeg;base64,{BASE64}",
        f"  DATA:IMAGE/JPEG;charset=x;BASE64,{BASE64}",
        f"data:image/jpeg;base64,{BASE64.rstrip('=')}",
        f"data:image/jpeg;base64,{BASE64.replace('+', '%2B').replace('/', '%2F')}",
        "data:image/jpeg," + "".join(f"%{byte:02x}" for byte in JPEG),
    ],
)
def test_data_uris(uri):
    ref = one(uri)
    assert (ref.kind, ref.data) == ("bytes", JPEG)
    assert ref.name == f"data URI, {len(JPEG)} bytes"


@pytest.mark.parametrize(
    "uri",
    [
        "data:",
        "data:image/png;base64,",
        "data:image/png;base64,!!!",
        "data:text/html,<b>",
        "data:x",
    ],
)
def test_broken_data_uris(uri):
    with pytest.raises(BadRowError):
        one(uri)


def test_bare_base64(tmp_path):
    assert one(BASE64).data == JPEG
    assert one(base64.encodebytes(JPEG).decode()).data == JPEG
    assert one(base64.b64encode(GIF).decode()).data == GIF
    assert BASE64[:20] not in repr(one(BASE64))


def test_a_path_that_exists_wins_over_base64(tmp_path):
    name = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
    assert one(name, [str(tmp_path)]).kind == "bytes"
    (tmp_path / name).write_bytes(GIF)
    assert one(name, [str(tmp_path)]).kind == "path"


@pytest.mark.parametrize(
    "name", ["a" * 64, "9j/" * 30, "images/train/n01440764/abcdefghijklmnopqr"]
)
def test_names_in_base64s_alphabet_are_paths(name):
    assert one(name).kind == "path"


def test_a_long_text_is_no_path():
    with pytest.raises(BadRowError, match="5000 characters"):
        one("word " * 1000)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes(kind):
    ref = one(kind(JPEG))
    assert (ref.kind, ref.data, type(ref.data)) == ("bytes", JPEG, bytes)


def test_mappings():
    assert one({"bytes": JPEG, "path": "a.jpg"}).data == JPEG
    assert one({"bytes": JPEG, "path": "a.jpg"}).name == "a.jpg"
    assert one({"bytes": JPEG, "path": "http://h/a?k=s3cret"}).name == "http://h/a?…"
    assert one({"bytes": None, "path": "a.jpg"}).location == "/data/a.jpg"
    assert one({"path": "http://host/a.jpg"}).kind == "url"
    assert one({"bytes": BASE64, "path": None}).data == JPEG


@pytest.mark.parametrize(
    "value",
    [
        {"bytes": 5, "path": "a"},
        {"bytes": "no base64"},
        {"path": 5},
        {"url": "x"},
        {"bytes": b"", "path": ""},
    ],
    ids=_id,
)
def test_broken_mappings(value):
    with pytest.raises(BadRowError):
        one(value)


def test_several_pictures():
    values = ["a.jpg", JPEG, {"bytes": GIF}]
    for sequence in (values, tuple(values), np.array(values, dtype=object)):
        assert [ref.kind for ref in parse_reference(sequence, ["/data"])] == [
            "path",
            "bytes",
            "bytes",
        ]


@pytest.mark.parametrize(
    "value",
    [
        ["a.jpg", ["b.jpg"]],
        ["a.jpg", None],
        ["a.jpg", ""],
        [1, 2],
        5,
        True,
        {1, 2},
        object(),
        np.zeros((4, 4), dtype="M8[s]"),
        np.array(5),
    ],
    ids=_id,
)
def test_anything_else_is_a_bad_row(value):
    with pytest.raises(BadRowError):
        parse_reference(value, ["/data"])


def test_paths_stay_in_the_image_root(tmp_path):
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "a.jpg").write_bytes(JPEG)
    (tmp_path / "secret.jpg").write_bytes(JPEG)
    (tmp_path / "rootless").mkdir()
    (root / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "out").symlink_to(tmp_path)
    (root / "inner.jpg").symlink_to("a.jpg")
    folders, confined = [str(root)], {"image_root": str(root)}
    for name in ("a.jpg", "sub/../a.jpg", "inner.jpg", "missing.jpg", str(root / "a.jpg")):
        assert one(name, folders, **confined).kind == "path"
    for name in (
        "../secret.jpg",
        "link.jpg",
        "out/secret.jpg",
        "sub/../../secret.jpg",
        "../rootless/a.jpg",
        str(tmp_path / "secret.jpg"),
        "/etc/passwd",
    ):
        with pytest.raises(PictureForbiddenError, match="outside the image root"):
            one(name, folders, **confined)


_text = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="ABCabc019+/=", min_size=30, max_size=400),
    st.text(alphabet="data:image/png;base64,A%=", max_size=80),
    st.builds(lambda tail: "http://" + tail, st.text(max_size=60)),
    st.builds(lambda data: base64.b64encode(b"\xff\xd8\xff" + data).decode(), st.binary()),
)
_one = st.one_of(
    st.none(),
    _text,
    st.binary(max_size=50),
    st.floats(),
    st.integers(),
    st.dictionaries(st.sampled_from(["bytes", "path", "x"]), st.one_of(st.none(), _text)),
)


@settings(deadline=None, max_examples=300)
@given(st.one_of(_one, st.lists(_one, max_size=3), st.lists(st.lists(_one, max_size=2))))
def test_whatever_comes_gives_references_or_a_typed_error(value):
    try:
        refs = parse_reference(value, ["/data", "/other"], image_root="/data")
    except RowError as error:
        texts = [error.message]
    else:
        texts = [ref.name for ref in refs]
        assert all(len(name) <= 200 for name in texts)
    for text in texts:
        assert len(text) <= 500
        assert text.isprintable()
        assert text == "" or short_text(text, 1000) == text  # no base64 of any length


# --- the many ways in which lists name a file ---------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that is the home, too, with a few pictures of odd names."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "sub").mkdir()
    for name in ("a b.jpg", "sub/c.jpg", "sub/d e.jpg", "plain.jpg", "100%.jpg", "x%20y.jpg"):
        (tmp_path / name).write_bytes(JPEG)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("~/plain.jpg", "plain.jpg"),
        (" ~/sub/c.jpg ", "sub/c.jpg"),
        ("plain.jpg\n", "plain.jpg"),
        ("./plain.jpg ", "plain.jpg"),
        ("a%20b.jpg", "a b.jpg"),
        ("sub\\c.jpg", "sub/c.jpg"),
        (".\\sub\\d%20e.jpg", "sub/d e.jpg"),
        ("100%.jpg", "100%.jpg"),
        ("x%20y.jpg", "x%20y.jpg"),  # as it stands, where there is such a file
    ],
)
def test_a_file_is_found_as_lists_spell_it(folder, text, file):
    ref = one(text, [str(folder)])
    assert os.path.samefile(ref.location, folder / file)


@pytest.mark.parametrize("form", ["file://{}", "file://localhost{}", "file:{}", "FILE://{}"])
def test_file_urls_are_paths(folder, form):
    for name, file in (("plain.jpg", "plain.jpg"), ("a%20b.jpg", "a b.jpg")):
        ref = one(form.format(f"{folder}/{name}"))
        assert (ref.kind, ref.location) == ("path", f"{folder}/{file}")


@pytest.mark.parametrize("form", ["~/../secret.jpg", "file://{}/../secret.jpg", "..\\secret.jpg"])
def test_no_spelling_leads_out_of_the_image_root(folder, form):
    root = folder / "sub"
    (folder / "secret.jpg").write_bytes(JPEG)
    with pytest.raises(PictureForbiddenError, match="outside the image root"):
        one(form.replace("~/..", "~").format(root), [str(root)], image_root=str(root))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("//host.example/x.jpg", "without its scheme"),
        ("//127.0.0.1:8000/x.jpg?sig=s3cret", "without its scheme"),
        ("//localhost/x.jpg", "without its scheme"),
        ("www.host.example/x.jpg", "without its scheme"),
        ("mailto:me@host.example", "is a mail address"),
        ("blob:https://host.example/0-1", "inside one browser"),
        ("tel:+49123", "is a telephone number"),
        ("about:blank", "is a browser's own page"),
        ("javascript:void(0)", "is a script"),
        ("ftp://host.example/x.jpg", "ftp: is not fetched"),
        ("chrome://x/y", "chrome: is not fetched"),
    ],
)
def test_what_is_no_picture_is_called_what_it_is(text, words):
    with pytest.raises(RowError, match=re.escape(words)) as caught:
        one(text)
    assert "s3cret" not in caught.value.message


def test_a_path_with_two_slashes_is_a_path_where_there_is_one(folder):
    assert one(f"/{folder}/plain.jpg").kind == "path"


@pytest.mark.parametrize(
    "value",
    [
        {"url": "https://host.example/a.jpg"},
        {"src": "https://host.example/a.jpg", "width": 3, "height": 4},
        {"image_url": {"url": "https://host.example/a.jpg"}},
        {"type": "image_url", "image_url": {"url": "https://host.example/a.jpg"}},
        {"bytes": None, "path": "https://host.example/a.jpg"},
    ],
    ids=_id,
)
def test_mappings_with_a_url(value):
    assert one(value).location == "https://host.example/a.jpg"
    assert one(value).kind == "url"


def test_a_mapping_with_a_data_uri():
    assert one({"image_url": {"url": f"data:image/jpeg;base64,{BASE64}"}}).data == JPEG


@pytest.mark.parametrize("text", ["['a.jpg', 'b.jpg']", "[ 'a.jpg','b.jpg', ]"])
def test_a_list_as_python_writes_it_is_a_list(text):
    assert [ref.name for ref in parse_reference(text, ["/data"])] == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("text", ["[a].jpg", "['x'] 'y'.jpg", "[__import__('os')]", "['a.jpg'"])
def test_a_name_that_begins_like_a_list_is_a_name(text):
    assert one(text).name == text


@pytest.mark.parametrize(
    ("text", "file"),
    [("a.jpg#0", "a.jpg"), ("a.jpg#12", "a.jpg"), ("\u00e9.jpg", "e\u0301.jpg"),
     ("e\u0301.jpg", "\u00e9.jpg")],
)  # fmt: skip
def test_a_caption_s_number_and_the_form_of_accents_are_no_part_of_the_name(tmp_path, text, file):
    (tmp_path / file).write_bytes(JPEG)
    assert one(text, [str(tmp_path)]).location == str(tmp_path / file)
    (tmp_path / text).write_bytes(JPEG)
    assert one(text, [str(tmp_path)]).location == str(tmp_path / text)
