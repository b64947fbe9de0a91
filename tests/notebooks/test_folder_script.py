"""A folder is estimated, captioned, checked and fixed in ten lines, as script and as notebook."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from PIL import Image

from tests.notebooks.test_notebook import jupyter
from tests.servers.hostile_server import MODEL, HostileServer

SCRIPT = Path(__file__).with_name("folder_with_sidecars.py")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three pictures; the caption of the first is no caption."""
    (tmp_path / "photos").mkdir()
    for number in range(3):
        picture = Image.new("RGB", (64, 48), (number * 50, 0, 90))
        picture.save(tmp_path / "photos" / f"{number}.jpg")
    (tmp_path / "photos" / "0.txt").write_text("I'm sorry, but I can't help with that.\n")
    with HostileServer() as server:
        monkeypatch.setenv("API_URL", server.url)
        monkeypatch.setenv("MODEL", MODEL)
        monkeypatch.chdir(tmp_path)
        yield tmp_path


def captions_in(folder):
    return [path.read_text() for path in sorted((folder / "photos").glob("*.txt"))]


def test_the_script_fixes_the_refusal_and_captions_the_rest(folder, capsys):
    runpy.run_path(str(SCRIPT))
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) >= 3, printed
    captions = captions_in(folder)
    assert len(set(captions)) == 3
    assert not any("sorry" in caption for caption in captions)


def test_a_notebook_does_the_same(folder, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(SCRIPT.read_text())]
    notebook.metadata["kernelspec"] = {"name": "of-this-python"}
    monkeypatch.setenv("JUPYTER_PATH", str(jupyter(folder)))
    nbclient.NotebookClient(
        notebook, timeout=100, resources={"metadata": {"path": str(folder)}}
    ).execute()
    printed = "".join(one.text for one in notebook.cells[0].outputs if one.output_type == "stream")
    assert len(printed.splitlines()) >= 3, printed
    assert not any("sorry" in caption for caption in captions_in(folder))
