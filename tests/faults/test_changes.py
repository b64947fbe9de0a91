"""Input that changes between runs: the output is a fresh run's, and only what is new is asked."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.checks.rules.empty import empty
from dataflow.core.errors import RefusedError
from dataflow.engine.columns import Column
from dataflow.engine.plan import Output, Plan
from dataflow.engine.runner import run
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.serving.fake import FakeServing
from tests.faults.scene import encode

PICTURES = 5
REFUSED = 3
"""The content that the engine refuses to speak about."""


@dataclass(frozen=True)
class Input:
    """What a run is given: rows (picture, question), what lies under each name, prompt, model."""

    rows: tuple[tuple[int, int], ...]
    contents: tuple[int | None, ...] = tuple(range(PICTURES))
    prompt: str = "Look."
    model: str = "one"


_ROW = st.tuples(st.integers(0, PICTURES - 1), st.integers(0, 2))


@st.composite
def changed(draw: st.DrawFn, given: Input) -> Input:
    """`given` after one change."""
    rows = list(given.rows)
    at = draw(st.integers(0, len(rows)))
    kind = draw(
        st.sampled_from(("insert", "remove", "move", "double", "picture", "prompt", "model"))
    )
    if kind == "insert":
        rows.insert(at, draw(_ROW))
    elif kind == "remove":
        del rows[at : at + 1]
    elif kind == "move":
        rows = draw(st.permutations(rows))
    elif kind == "double":
        rows += rows[at:]
    elif kind == "picture":
        contents = list(given.contents)
        contents[draw(st.integers(0, PICTURES - 1))] = draw(
            st.none() | st.integers(0, 2 * PICTURES)
        )
        return replace(given, contents=tuple(contents))
    elif kind == "prompt":
        return replace(given, prompt=draw(st.sampled_from(("Look.", "Be brief."))))
    else:
        return replace(given, model=draw(st.sampled_from(("one", "two"))))
    return replace(given, rows=tuple(rows[:40]))


@st.composite
def histories(draw: st.DrawFn) -> list[Input]:
    """Inputs of runs that follow each other."""
    history = [Input(tuple(draw(st.lists(_ROW, max_size=12))))]
    for _ in range(draw(st.integers(1, 4))):
        history.append(draw(changed(history[-1])))
    return history


class AnyPath:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.contents: list[int | None] = [None] * PICTURES
        self.versions = 0
        self.asked: set[object] = set()

    def lay(self, given: Input) -> None:
        for number, content in enumerate(given.contents):
            if content != self.contents[number]:
                path = self.folder / f"{number}.jpg"
                path.unlink(missing_ok=True)
                if content is not None:
                    path.write_bytes(encode(content))
                    self.versions += 1
                    os.utime(path, ns=(self.versions * 10**9, self.versions * 10**9))
                self.contents[number] = content
        rows = [{"image": f"{picture}.jpg", "q": f"What is it? {q}"} for picture, q in given.rows]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self.folder / "data.jsonl").write_text(text)

    def run(self, given: Input, output: str) -> FakeServing:
        serving = FakeServing(
            lambda request, pictures: _answer(given, request, pictures), model=given.model
        )
        reader = open_reader(self.folder / "data.jsonl")
        target = self.folder / output
        run(Plan(
            reader=reader,
            requests_of=RowRequests(
                folders=[str(self.folder)], system_prompt=given.prompt, prompt_key="q"
            ),
            serving=serving,
            output=Output(target, [Column("caption")], writer_for(target, reader, ["caption"])),
            checks=[empty],
        ))  # fmt: skip
        return serving

    def new_requests(self, given: Input) -> int:
        """How many requests of this run were never answered before."""
        wanted = set()
        for picture, question in given.rows:
            path = self.folder / f"{picture}.jpg"
            if path.exists():
                content = given.contents[picture]  # the same bytes are asked about once
                wanted.add((content, question, given.prompt, given.model))
        fresh = wanted - self.asked
        self.asked |= wanted
        return len(fresh)

    def captions(self, output: str) -> list[object]:
        lines = (self.folder / output).read_text().splitlines()
        return [json.loads(line) for line in lines]

    def errors(self, output: str) -> list[tuple[int, str]]:
        path = self.folder / f"{output}.errors.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(e["row"], e["kind"]) for e in map(json.loads, lines)]


def _answer(given: Input, request, pictures):
    (content,) = [n for n in range(2 * PICTURES + 1) if encode(n) == pictures[0].data]
    if content == REFUSED:
        return RefusedError("I cannot speak about that")
    return f"{content} to {request.turns[-1].parts[1]} under {given.prompt} by {given.model}"


@settings(max_examples=40, deadline=None)
@given(history=histories())
def test_the_output_is_that_of_a_fresh_run_and_only_new_requests_are_asked(history):
    folder = Path(tempfile.mkdtemp(prefix="dataflow-changes-"))
    try:
        place = AnyPath(folder)
        for number, step in enumerate(history):
            place.lay(step)
            new = place.new_requests(step)
            assert place.run(step, "kept.jsonl").asked == new
            fresh = f"fresh-{number}.jsonl"
            place.run(step, fresh)
            assert place.captions("kept.jsonl") == place.captions(fresh)
            assert place.errors("kept.jsonl") == place.errors(fresh)
            assert len(place.captions(fresh)) == len(step.rows)
    finally:
        shutil.rmtree(folder)
