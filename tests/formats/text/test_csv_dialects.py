"""CSV as programs and countries write it."""

from __future__ import annotations

import pytest

from dataflow.core.errors import InputError, UsageError
from dataflow.core.protocols.dataset import notices_of
from dataflow.formats.columns.writer_context import WriterContext
from dataflow.formats.output_spec import OutputSpec
from dataflow.formats.registry import ReadOptions, open_reader, resolve_input
from dataflow.formats.text.csv_file import inert

A, B = {"image": "a.png", "text": "x, y"}, {"image": "b.png", "text": "z"}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("image;text\na.png;x, y\nb.png;z\n", "semicolons"),
        ('\ufeffimage;text\r\na.png;"x, y"\r\nb.png;z\r\n', "semicolons"),
        ("image\ttext\na.png\tx, y\nb.png\tz\n", "tabs"),
        ("image| text\na.png| x, y\nb.png| z\n", "bars"),
        ("sep=;\nimage;text\na.png;x, y\nb.png;z\n", "semicolons"),
        ("sep=;\r\nimage;text\r\na.png;x, y\r\nb.png;z\r\n", "semicolons"),
        ('"image";"te,xt"\n', "semicolons"),
    ],
)
def test_another_separator_is_recognised_and_said(tmp_path, text, word):
    (tmp_path / "in.csv").write_bytes(text.encode("utf-8"))
    reader = open_reader(tmp_path / "in.csv")
    rows = [dict(row.fields) for row in reader.rows()]
    assert rows in ([A, B], [])
    [notice] = notices_of(reader)
    assert word in notice


def test_commas_win_and_are_not_spoken_of(tmp_path):
    (tmp_path / "in.csv").write_text("image,a;b;c\nx.png,1\n")
    reader = open_reader(tmp_path / "in.csv")
    assert reader.column_names() == ["image", "a;b;c"]
    assert notices_of(reader) == []


def test_a_table_without_a_header_is_read_by_the_names_given(tmp_path):
    (tmp_path / "cc.tsv").write_text("a cat\thttps://x.org/a.png\nb\thttps://x.org/b.png\n")
    options = ReadOptions(columns=("caption", "url"))
    rows = list(resolve_input(tmp_path / "cc.tsv").open(options).rows())
    assert [row.fields["url"] for row in rows] == ["https://x.org/a.png", "https://x.org/b.png"]
    few = resolve_input(tmp_path / "cc.tsv").open(ReadOptions(columns=("caption",)))
    with pytest.raises(InputError, match="2 fields, but --columns names 1"):
        list(few.rows())


@pytest.mark.parametrize("name", ["|", "pipe", "bar"])
def test_a_delimiter_may_be_a_sign_or_a_word(tmp_path, name):
    (tmp_path / "x.csv").write_text("a,1|b\n1|2\n")
    rows = list(resolve_input(tmp_path / "x.csv").open(ReadOptions(delimiter=name)).rows())
    assert [dict(row.fields) for row in rows] == [{"a,1": "1", "b": "2"}]


@pytest.mark.parametrize("options", [{"delimiter": "ab"}, {"delimiter": '"'}])
def test_what_is_no_delimiter_is_refused(tmp_path, options):
    (tmp_path / "x.csv").write_text("a\n1\n")
    with pytest.raises(UsageError, match="no single character"):
        resolve_input(tmp_path / "x.csv").open(ReadOptions(**options))


def test_options_of_tables_are_refused_where_there_is_none(tmp_path):
    (tmp_path / "x.jsonl").write_text("{}\n")
    for options in ({"columns": ("a",)}, {"delimiter": ";"}, {"wds_key": "last-dot"}):
        with pytest.raises(UsageError, match="is not about this input"):
            resolve_input(tmp_path / "x.jsonl").open(ReadOptions(**options))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-a", "'-a"),
        ("\tx", "'\tx"),
        ("-1.5", "-1.5"),
        ("+3e5", "+3e5"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_what_a_spreadsheet_would_run_is_made_text_where_asked(tmp_path, text, expected):
    assert inert(text) == expected
    (tmp_path / "in.csv").write_text('image\n"a.png"\n')
    reader = open_reader(tmp_path / "in.csv")
    for is_safe in (False, True):
        context = WriterContext(reader, ["caption"], csv_safe=is_safe)
        writer = OutputSpec(tmp_path / "out.csv").open_writer(context)(tmp_path / "part")
        for row in reader.rows():
            writer.write(row, {"caption": text})
        writer.close()
        writer.commit(tmp_path / "out.csv")
        [row] = open_reader(tmp_path / "out.csv").rows()
        assert row.fields["caption"] == (expected if is_safe else text)


def test_old_line_ends_are_named(tmp_path):
    (tmp_path / "in.csv").write_bytes(b"image,text\ra.png,x\rb.png,y\r")
    with pytest.raises(InputError, match="lines end with CR alone; save them with LF"):
        list(open_reader(tmp_path / "in.csv").rows())


@pytest.mark.parametrize("encoding", ["gb18030", "cp1252", "big5", "shift_jis"])
def test_another_encoding_is_not_guessed(tmp_path, encoding):
    word = "é" if encoding == "cp1252" else "日"
    (tmp_path / "in.csv").write_bytes(f"image,text\na.png,{word}\n".encode(encoding))
    with pytest.raises(InputError, match=r"line 2: the text is not UTF-8.*iconv -f ENCODING"):
        list(open_reader(tmp_path / "in.csv").rows())
