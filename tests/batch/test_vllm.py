"""vLLM's own `run-batch` for real, on a CPU: it reads our lines, and we read its."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow.engine.runner import run
from tests.faults.scene import Scene
from tests.servers.batch_server import BatchServer
from tests.serving.scenes import CHECKPOINT, QUESTION, picture, truth

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(900),
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]

SCENES = 200
RUN_BATCH = (
    "vllm.entrypoints.launchers.run_batch",
    "--model", str(CHECKPOINT),
    "--served-model-name", "hostile-vlm",
    "--generation-config", "vllm",
    "--enforce-eager",
    "--max-model-len", "512",
    "--kv-cache-memory-bytes", str(128 * 2**20),
    "--mm-processor-cache-gb", "0",
    "--limit-mm-per-prompt", '{"image": 1, "video": 0}',
)  # fmt: skip


def run_batch(requests: Path) -> list[bytes]:
    """What vLLM makes of a batch's file."""
    answers = requests.with_name(requests.name + ".answers")
    command = [sys.executable, "-m", *RUN_BATCH, "-i", str(requests), "-o", str(answers)]
    subprocess.run(command, check=True, timeout=600, capture_output=True)
    return answers.read_bytes().splitlines(keepends=True)


def test_200_drawn_scenes_are_captioned_by_vllms_run_batch(tmp_path, serving_for):
    rows = []
    for number in range(SCENES):
        (tmp_path / f"{number}.png").write_bytes(picture(number).data)
        rows.append({"id": number, "image": f"{number}.png", "conversation": QUESTION})
    too_long = "Describe. " * 600
    rows.append({"id": SCENES, "image": "0.png", "conversation": too_long})
    scene = Scene(tmp_path, 1, 1)
    scene.data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with BatchServer(answer=run_batch) as server:
        summary = run(scene.plan(serving_for(server, requests=1000)))
        assert server.calls["create"] == 1
    right = sum(row["caption"] == truth(row["id"]) for row in scene.rows()[:SCENES])
    print(f"{SCENES} scenes through run-batch: {right} captions right to the letter")
    assert right >= 0.95 * SCENES  # the model's own share; a mix-up makes this fall to 0
    assert summary.failed == {"too_long": 1}
    assert summary.usage.completion_tokens
