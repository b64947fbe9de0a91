"""JSON and JSON Lines: the bytes of what nobody touched stay, whatever they are."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.core.errors import InputError
from dataflow.formats.base.json_rows import members, parse
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from dataflow.formats.text import json_window
from dataflow.formats.text.json_window import JsonWindow

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=[]), max_size=4), inner)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=4), VALUES, max_size=4)
LAYOUTS = st.sampled_from([{}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}])
many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NASTY = [
    '{"a": 1.0}',
    '{"a": 1.10, "b": 00123.5e0}'.replace("00123", "123"),
    '{"a": 1e400, "b": -1E+400}',
    f'{{"a": {2**70}, "b": -{2**63 + 1}}}',
    '{"a": -0, "b": -0.0, "c": 1E5, "d": 0.1000000000000000055511151231257827}',
    '{"a": NaN, "b": [Infinity, -Infinity]}',
    '{"a": "\\ud83d\\ude00 \\u0041 \\/ \\ud800 \\udcff"}',
    '{"a": 1, "a": 2, "b": {"a": 3}}',
    '{ "b" : null ,\t"a" : [ ] , "c":{ } }',
    '{"\\u0061": 1, "é": "e\u0301", "": 0}',
    '{"a": "\u2028\u2029\x85\x7f"}',
    "{}",
    "{ }",
    '{"a": ' + "9" * 5000 + "}",
    '{"deep": ' + "[" * 300 + "]" * 300 + "}",
]


def plain(text):
    """A JSON text's every token, with numbers as they are written and members in order."""
    return json.loads(
        text, object_pairs_hook=list, parse_float=str, parse_int=str, parse_constant=str
    )


def convert(tmp_path, source, output, added):
    reader = open_reader(source)
    writer = writer_for(output, reader, list(added))(output)
    for row in reader.rows():
        writer.write(row, added)
    writer.close()
    return output.read_bytes().decode()


def save_both(tmp_path, objects):
    array, lines = tmp_path / "in.json", tmp_path / "in.jsonl"
    array.write_bytes(("[" + ",".join(objects) + "]").encode())
    lines.write_bytes("\n".join(text.replace("\n", " ") for text in objects).encode())
    return array, lines


@pytest.mark.parametrize("output", ["out.json", "out.jsonl"])
@pytest.mark.parametrize("text", NASTY)
def test_every_byte_of_a_nasty_row_stays(tmp_path, text, output):
    for source in save_both(tmp_path, [text]):
        written = convert(tmp_path, source, tmp_path / output, {"caption": "c"})
        assert text[:-1].rstrip() in written
        row = next(iter(open_reader(tmp_path / output).rows()))
        assert plain(row.raw) == [*plain(text), ("caption", "c")]


@many
@given(objects=st.lists(OBJECTS, max_size=4), layout=LAYOUTS)
def test_every_token_of_any_row_stays_on_any_way(tmp_path, objects, layout):
    texts = [json.dumps(item, **layout) for item in objects]
    for source in save_both(tmp_path, texts):
        for output in (tmp_path / "out.json", tmp_path / "out.jsonl"):
            written = convert(tmp_path, source, output, {"a new name": None})
            if output.suffix == ".json":
                rows = plain(written)
            else:
                rows = [plain(line) for line in written.split("\n")[:-1]]
            assert rows == [[*plain(text), ("a new name", None)] for text in texts]


@many
@given(item=OBJECTS.filter(bool), data=st.data(), value=VALUES)
def test_replacing_one_member_leaves_the_others_tokens(tmp_path, item, data, value):
    name = data.draw(st.sampled_from(list(item)))
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps(item) + "\n")
    written = convert(tmp_path, source, output, {name: "new"})
    assert plain(written) == [
        (key, "new" if key == name else old) for key, old in plain(json.dumps(item))
    ]


def test_a_name_that_stands_twice_is_replaced_where_it_counts(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('{"a": 1, "b": 1.10, "a": 2}\n')
    written = convert(tmp_path, source, tmp_path / "out.jsonl", {"a": "x"})
    assert written == '{"a": 1, "b": 1.10, "a": "x"}\n'


def test_a_pretty_array_stays_pretty(tmp_path):
    source = tmp_path / "in.json"
    source.write_text(json.dumps([{"a": 1, "b": [2]}, {"a": 3}], indent=2))
    written = convert(tmp_path, source, tmp_path / "out.json", {"c": "d"})
    expected = [{"a": 1, "b": [2], "c": "d"}, {"a": 3, "c": "d"}]
    assert written == json.dumps(expected, indent=2) + "\n"


def test_a_pretty_row_becomes_one_line_in_json_lines(tmp_path):
    source = tmp_path / "in.json"
    source.write_text(json.dumps([{"a": "x  \\n  y", "b": [1, {}]}], indent=4))
    written = convert(tmp_path, source, tmp_path / "out.jsonl", {"c": "d"})
    assert written.count("\n") == 1
    assert json.loads(written) == {"a": "x  \\n  y", "b": [1, {}], "c": "d"}


@many
@given(value=VALUES)
def test_fields_are_what_pythons_json_gives(value):
    text = json.dumps(value)
    assert repr(parse(text.encode())) == repr(json.loads(text))


@many
@given(item=OBJECTS, layout=LAYOUTS)
def test_members_are_found_where_they_stand(item, layout):
    text = json.dumps(item, **layout)
    found = {name: json.loads(text[start:end]) for name, start, end in members(text)}
    assert repr(found) == repr(item)


@many
@given(objects=st.lists(OBJECTS, max_size=4), layout=LAYOUTS, size=st.integers(1, 40))
def test_it_does_not_matter_where_the_window_cuts(tmp_path, monkeypatch, objects, layout, size):
    monkeypatch.setattr(json_window, "_WINDOW", size)
    path = tmp_path / "in.json"
    path.write_text(json.dumps(objects, ensure_ascii=True, **layout))
    assert repr([row.fields for row in open_reader(path).rows()]) == repr(objects)


@pytest.mark.parametrize("size", range(1, 12))
def test_the_window_may_cut_a_character(tmp_path, monkeypatch, size):
    monkeypatch.setattr(json_window, "_WINDOW", size)
    path = tmp_path / "in.json"
    path.write_text(
        '\ufeff [ {"ü": "👩‍👩‍👧‍👦"},\r\n{"b": -1.5e+3, "c": false} ]\n', encoding="utf-8"
    )
    fields = [row.fields for row in open_reader(path).rows()]
    assert fields == [{"ü": "👩‍👩‍👧‍👦"}, {"b": -1500.0, "c": False}]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[{"a": 1},\n {"a": }]', r"line 2, column 8: invalid JSON \(Expecting value"),
        ('[{"a": 1},\n {"a": 1', "line 2, column 9: .*the file ends inside this row"),
        ('[{"a": 1},\n {"a": "x', "line 2, column 8: .*the file ends inside this row"),
        ('[{"a": 1}\n', "line 2, column 1: .*the file ends before the array does"),
        ('[{"a": 1}\n{"a": 2}]', r"line 2, column 1: .*expected , or \]"),
        ('[{"a": 1},\n]', "line 2, column 1: invalid JSON"),
        ("[", "line 1, column 2: invalid JSON"),
        ('[{"a": 1}, 3]', r"line 1, column 12: a row must be a JSON object .* is a int"),
        ('[{"a": 1}, [3]]', "line 1, column 12: a row must be a JSON object"),
        ('[{"a": 1}]\n[', "line 2, column 1: there is more text after"),
        ("[]\n[]", "line 2, column 1: there is more text after"),
        ('{"a": 1}', r"line 1, column 1: .*this is one object: put \[ \] around a single row"),
        ('{"data": [{"a": 1}]}', "this is one object: if its rows are under 'data', save that"),
        ('{"a": 1}\n{"a": 2', "line 2, column .*invalid JSON"),
        ('{"a.jpg": {"tags": "x"}', "the file ends before the object does"),
        ('{"a.jpg": {"tags": "x"}, "b.jpg": 1}', "a row must be a JSON object"),
        ('"text"', "line 1, column 1: a .json dataset must be one array"),
        ('[{"a": "x\ny"}]', "line 1, column 10: invalid JSON"),
        ("[{a: 1}]", "line 1, column 3: invalid JSON"),
        ("[{'a': 1}]", "line 1, column 3: invalid JSON"),
        ('[{"a": ' + "[" * 100_000 + "]" * 100_000 + "}]", "Nested too deeply"),
    ],
)
def test_a_broken_array_is_an_error_with_line_and_column(tmp_path, monkeypatch, size, text, place):
    if size < 20 and len(text) > 1000:
        return
    monkeypatch.setattr(json_window, "_WINDOW", size)
    path = tmp_path / "in.json"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"in\.json, (?s:.)*{place}"):
        list(open_reader(path).rows())


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ('{"a": 1, }', "line 3, column (8|10): invalid JSON"),
        ('  {"a" 1}', "line 3, column 8: invalid JSON"),
        ('{"a": "x', "line 3, column 7: invalid JSON"),
        ('{"a": 1} {"a": 2}', "line 3, column 9: invalid JSON .Extra data"),
        ("3", "line 3: a row must be a JSON object .* is a int"),
        ("[]", "line 3: a row must be a JSON object .* is a list"),
        ("null", "line 3: a row must be a JSON object"),
        ("[" * 100_000, "line 3, column 1: invalid JSON .Nested too deeply"),
    ],
)
def test_a_broken_line_is_an_error_with_line_and_column(tmp_path, line, place):
    path = tmp_path / "in.jsonl"
    path.write_text('{"a": 1}\n\n' + line + '\n{"a": 1}\n')
    with pytest.raises(InputError, match=rf"in\.jsonl, {place}"):
        list(open_reader(path).rows())


def test_blank_lines_are_skipped_and_counted_and_crlf_is_tolerated(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'\r\n{"a": 1}\r\n  \t\r\n\r\n{"a": 2}')
    rows = list(open_reader(path).rows())
    assert [(row.index, row.fields["a"]) for row in rows] == [(0, 1), (1, 2)]
    assert [row.source.rpartition(", ")[2] for row in rows] == ["line 2", "line 5"]
    assert [row.raw for row in rows] == [b'{"a": 1}', b'{"a": 2}']


def test_a_line_ends_only_at_a_line_feed(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"a": "x\u2028y\x85z"}\n', encoding="utf-8")
    assert [row.fields for row in open_reader(path).rows()] == [{"a": "x\u2028y\x85z"}]


def test_rows_of_an_array_know_their_lines(tmp_path):
    path = tmp_path / "in.json"
    path.write_text('[\n{"a": 1}, {"a":\n2},\n\n{"a": 3}]')
    places = [row.source.rpartition(", ")[2] for row in open_reader(path).rows()]
    assert places == ["row 0 (line 2)", "row 1 (line 2)", "row 2 (line 5)"]


def test_a_broken_array_is_not_read_to_its_end():
    """A wrong row at the start of a huge file is known at once, in little memory."""
    file = io.BytesIO(b'[{"a": 1 {' + b'"b": 2},\n {"a": 1}, ' * 1_000_000)
    window = JsonWindow(file, "x.json")
    window.peek()
    window.move(1)
    with pytest.raises(InputError, match="line 1, column 10"):
        window.value()
    assert file.tell() <= 2 << 20


def test_a_value_larger_than_the_window_costs_a_few_reads(monkeypatch):
    monkeypatch.setattr(json_window, "_WINDOW", 64)
    file = io.BytesIO(json.dumps({"a": "x" * 1_000_000}).encode())
    window = JsonWindow(file, "x.json")
    reads = []
    monkeypatch.setattr(json_window, "decode_at", lambda *a: reads.append(1) or real(*a))
    value, _ = window.value()
    assert len(value["a"]) == 1_000_000
    assert len(reads) < 20


real = json_window.decode_at
