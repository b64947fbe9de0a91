"""Several prompts in batches: each caption is a request of its own."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from dataflow.core.errors import UnderWayError
from dataflow.engine.columns import added_columns
from dataflow.engine.plan import Output
from dataflow.engine.runner import run
from dataflow.formats.output_spec import writer_for
from dataflow.images.loader import Loader
from dataflow.operators.core_vision.prompts import Prompt
from dataflow.operators.core_vision.request_builder import RowRequests
from tests.faults.scene import Scene
from tests.servers.batch_server import BatchServer
from tests.servers.hostile_server import caption_of

PROMPTS = [Prompt("short", question="Briefly?"), Prompt("long", question="At length?", n=2)]


@pytest.fixture
def plan_for(tmp_path, serving_for):
    """A plan of twenty rows, three captions each."""
    scene = Scene(tmp_path, 20, 20)

    def make(server, **more):
        plan = scene.plan(serving_for(server), **more)
        columns = [prompt.column for prompt in PROMPTS]
        added = added_columns(columns, has_meta=False)
        return dataclasses.replace(
            plan,
            requests_of=RowRequests(folders=[str(tmp_path)], prompts=PROMPTS),
            output=Output(scene.output, columns, writer_for(scene.output, plan.reader, added)),
        )

    make.scene = scene
    return make


def right(scene: Scene) -> list[dict]:
    made = []
    for number in range(20):
        data = (scene.folder / f"{number}.jpg").read_bytes()
        short, long = (caption_of(data, question=prompt.question or "") for prompt in PROMPTS)
        made.append({"short": short, "long": [long, long]})
    return made


def columns(scene: Scene) -> list[dict]:
    return [{"short": row["short"], "long": row["long"]} for row in scene.rows()]


def test_each_caption_is_asked_once_and_each_picture_loaded_once(plan_for, monkeypatch):
    loads: Counter[str] = Counter()
    load = Loader.load

    async def counted(self, ref, reservation=None):
        loads[ref.name] += 1
        return await load(self, ref, reservation)

    monkeypatch.setattr(Loader, "load", counted)
    with BatchServer() as server:
        summary = run(plan_for(server))
        assert (summary.rows, summary.captioned, summary.requests) == (20, 60, 60)
        assert server.worked.total() == 60
        again = run(plan_for(server))
        assert (again.reused, again.requests) == (60, 0)
    assert set(loads.values()) == {1}
    assert columns(plan_for.scene) == right(plan_for.scene)


def test_rows_half_in_one_batch_and_half_in_another_come_together(plan_for):
    """A batch holds twenty requests, and a row makes three: rows stand across batches."""
    with BatchServer() as server:
        for _ in range(30):
            try:
                run(plan_for(server, detach=True))
                break
            except UnderWayError:
                pass
        assert server.worked.total() == 60
    assert columns(plan_for.scene) == right(plan_for.scene)
