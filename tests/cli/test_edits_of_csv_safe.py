"""What `--csv-safe` puts before a cell is no edit of a person."""

from __future__ import annotations

import csv
import io
import itertools

import pytest

from tests.servers.chat_server import ChatServer

TEXTS = ["=SUM(A1) is painted on a sign.", "A dog.", "-A cat sits there.", "@home on a wall."]


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_cell_that_was_made_safe_is_no_edit_and_an_edited_one_stays(dataflow, pictures, ending):
    pictures(4)
    path = dataflow.folder / f"out.{ending}"
    texts = itertools.cycle(TEXTS)
    with ChatServer(lambda *_: next(texts), models=("m",)) as server:
        command = ["caption", "photos", "--api-url", server.url, "--model", "m", "--csv-safe"]
        command += ["-o", path.name, "--concurrency", "1", "--no-checks"]
        assert dataflow(*command).returncode == 0
        path.write_text(path.read_text().replace("A dog.", "A big dog."))
        done = dataflow(*command)
        assert "warning: 1 captions" in done.stderr
        dataflow(*command, "--prompt", "Another question.")
    delimiter = "\t" if ending == "tsv" else ","
    rows = csv.DictReader(io.StringIO(path.read_text()), delimiter=delimiter)
    captions = [row["caption"] for row in rows]
    captions.remove("A big dog.")
    assert set(captions) < {text if text[0] == "A" else f"'{text}" for text in TEXTS}
    listed = dataflow("edits", path.name).stdout
    assert "A big dog." in listed
    assert "SUM" not in listed
