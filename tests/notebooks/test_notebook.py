"""A real notebook: caption, interrupt, resume, look at the results, meet an error."""

from __future__ import annotations

import json
import re
import sys

import pytest
from PIL import Image

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

SETUP = """
import os, signal, threading
import dataflow
from dataflow import FakeServing, FileStorage, ImageCaptionGenerator

asked = []
def answer(request, pictures):
    asked.append(1)
    if len(asked) == 6 and INTERRUPT:
        os.kill(os.getpid(), signal.SIGINT)  # what the stop button sends
    return f"A picture of {pictures[0].width} by {pictures[0].height}."

INTERRUPT = True
serving = FakeServing(answer, delay=0.02, max_workers=2)
captioner = ImageCaptionGenerator(serving, "")
storage = FileStorage("pictures", cache_path="cache")
"""
RUN = "captioner.run(storage.step(), output_key='caption')"
CELLS = {
    "setup": SETUP,
    "interrupted": RUN,
    "after": "INTERRUPT = False; before = len(asked); storage",
    "resumed": RUN,
    "counted": "before, len(asked)",
    "looked at": "storage.step()",
    "awaited": "await captioner.arun(FileStorage('pictures', cache_path='other').step())",
    "error": "captioner.run(FileStorage('gone.jsonl').step())",
    "plain": "serving",
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "pictures").mkdir()
    for number in range(30):
        Image.new("RGB", (60 + number, 40), (8 * number, 90, 200)).save(
            folder / "pictures" / f"{number:02}.png"
        )
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(code) for code in CELLS.values()]
    notebook.metadata["kernelspec"] = {"name": "of-this-python"}
    client = nbclient.NotebookClient(
        notebook, timeout=100, allow_errors=True, resources={"metadata": {"path": str(folder)}}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(jupyter(folder)))
        client.execute()
    return dict(zip(CELLS, (cell.outputs for cell in notebook.cells), strict=True))


def jupyter(folder):
    """A folder in which Jupyter finds this Python as a kernel."""
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = folder / "jupyter" / "kernels" / "of-this-python" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": command, "display_name": "x", "language": "python"}))
    return folder / "jupyter"


def error_in(outputs):
    return next(one for one in outputs if one.output_type == "error")


def result_of(outputs):
    return next(one.data for one in outputs if one.output_type == "execute_result")


def text_of(lines):
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))


def test_the_stop_button_ends_the_cell_with_a_sentence(outputs):
    error = error_in(outputs["interrupted"])
    assert error.ename == "KeyboardInterrupt"
    assert re.search(r"\d+ captions are answered and kept; the same command or call", error.evalue)
    assert text_of(error.traceback).count("dataflow/") <= 5


def test_the_same_cell_resumes_and_pays_for_nothing_twice(outputs):
    assert result_of(outputs["resumed"])["text/plain"] == "['caption']"
    before, after = eval(result_of(outputs["counted"])["text/plain"])
    assert before < 30
    assert after == 30


def test_results_are_pictures_beside_captions(outputs):
    html = result_of(outputs["looked at"])["text/html"]
    assert html.count("<img ") == 10
    assert "A picture of 60 by 40." in html


def test_await_works_in_a_cell(outputs):
    assert result_of(outputs["awaited"])["text/plain"] == "['output']"


def test_an_error_is_short_and_names_the_cure(outputs):
    error = error_in(outputs["error"])
    assert "check first_entry_file_name" in error.evalue
    assert text_of(error.traceback).count("dataflow/") <= 5


def test_objects_say_what_they_are(outputs):
    assert result_of(outputs["plain"])["text/plain"] == "FakeServing('fake', max_workers=2)"
