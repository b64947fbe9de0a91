"""A small dataset of real pictures, and a run over it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from dataflow.checks.rules.empty import empty
from dataflow.engine.columns import Column, added_columns
from dataflow.engine.plan import Output, Plan, PlanFingerprint
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from dataflow.operators.core_vision.request_builder import RowRequests


def colour_of(number: int) -> tuple[int, int, int]:
    return (number * 37 % 256, number * 91 % 256, number * 53 % 256)


class Dataset:
    """A .jsonl of pictures, picture i in a colour of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "data.jsonl"
        self.output = folder / "out.jsonl"
        self.names: list[str] = []

    def add(self, count: int) -> Dataset:
        for _ in range(count):
            number = len(self.names)
            name = f"{number:04d}.jpg"
            Image.new("RGB", (32 + number % 200, 48), colour_of(number)).save(self.folder / name)
            self.names.append(name)
        return self.write()

    def write(self) -> Dataset:
        rows = [{"id": f"{i:05d}", "image": [name]} for i, name in enumerate(self.names)]
        self.path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return self

    def plan(self, serving, *, system_prompt="", meta=False, **more) -> Plan:
        reader = open_reader(self.path)
        status = self.path.stat()
        settings = sorted(serving.settings().items())
        made_of = (status.st_size, status.st_mtime_ns, system_prompt, meta, settings)
        more = {"fingerprint": PlanFingerprint(repr(made_of), str(self.folder)), **more}
        columns = [Column("caption")]
        open_writer = writer_for(self.output, reader, added_columns(columns, has_meta=meta))
        return Plan(
            reader=reader,
            requests_of=RowRequests(folders=[str(self.folder)], system_prompt=system_prompt),
            serving=serving,
            output=Output(self.output, columns, open_writer, has_meta=meta),
            **{"checks": [empty], **more},
        )

    def captions(self) -> list[str | None]:
        return [row["caption"] for row in self.rows()]

    def rows(self) -> list[dict]:
        return [json.loads(line) for line in self.output.read_text().splitlines()]

    def errors(self) -> list[dict]:
        path = self.output.with_name("out.jsonl.errors.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path)


@pytest.fixture
def width_of():
    """A scripted answer that tells which picture was sent: its width is its number."""

    def answer(request, pictures):
        return f"width {pictures[0].width}"

    return answer
