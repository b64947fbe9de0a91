"""A folder in which a reader of the pages could be, and the server that stands in for an API."""

from __future__ import annotations

import io
import json
import os
import shutil
import sysconfig
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_llamacpp
from tests.docs.blocks import ROOT, blocks
from tests.servers.batch_server import BatchServer
from tests.servers.s3_server import S3Server

DEMO_MODEL = ROOT / "src" / "dataflow" / "serving" / "llamacpp" / "demo_model"


@pytest.fixture
def reader_folder(tmp_path: Path) -> Path:
    """What the pages take to be in the working directory: photos, a dataset, a model of one's own.

    The photos are drawn scenes: they are what the demo model knows.
    """
    scenes = ROOT / "examples" / "scenes"
    shutil.copytree(scenes, tmp_path / "photos")
    (tmp_path / "pictures").mkdir()
    shutil.copy(scenes / "001.png", tmp_path / "pictures" / "0.png")
    [rows] = [block.text for block in blocks("json") if block.page.name == "README.md"]
    (tmp_path / "capsbench_captions.json").write_text(rows)
    [schema] = [block.text for block in blocks("json") if block.page.name == "structured.md"]
    (tmp_path / "scene.json").write_text(schema)
    [prompts] = [block.text for block in blocks("toml") if block.page.name == "prompts.md"]
    (tmp_path / "prompts.toml").write_text(prompts)
    lines = [json.dumps({"image": f"photos/00{n}.png", "id": n}) for n in (1, 2, 4, 6, 8)]
    (tmp_path / "data.jsonl").write_text("\n".join(lines))
    (tmp_path / "shards").mkdir()
    for number, scene in enumerate(["002.png", "004.png"]):
        with tarfile.open(tmp_path / "shards" / f"{number:05}.tar", "w") as shard:
            shard.add(scenes / scene, scene)
    (tmp_path / "my-model.gguf").symlink_to(DEMO_MODEL / "scenes-demo.gguf")
    (tmp_path / "mmproj-my-model.gguf").symlink_to(DEMO_MODEL / "scenes-demo-mmproj.gguf")
    return tmp_path


@pytest.fixture(scope="package")
def api() -> Iterator[dict[str, str]]:
    """An OpenAI-compatible server that needs a key: llama.cpp's own, with the demo model."""
    serving = LocalModelVLMServing_llamacpp("demo", threads=1)
    try:
        yield {"api": f"{serving.child().ensure_running()}/v1", "key": serving.key()}
    finally:
        serving.cleanup()


@pytest.fixture(scope="package")
def batch_api(api: Mapping[str, str]) -> Iterator[BatchServer]:
    """The Batch API, at which the same key is right."""
    with BatchServer(key=api["key"], seconds=1.0) as server:
        yield server


@pytest.fixture(scope="package")
def store() -> Iterator[S3Server]:
    """A store with the dataset, the pictures and the shards that the pages speak of."""
    scenes = ROOT / "examples" / "scenes"
    with S3Server("my-bucket") as server:
        picture = (scenes / "001.png").read_bytes()
        server.put("data/rows.jsonl", b'{"image": "../pictures/001.png"}\n')
        server.put("pictures/001.png", picture)
        for number, scene in enumerate(["002.png", "004.png"]):
            file = io.BytesIO()
            with tarfile.open(fileobj=file, mode="w") as shard:
                shard.add(scenes / scene, scene)
            server.put(f"shards/{number:05}.tar", file.getvalue())
        yield server


@pytest.fixture
def names(api: Mapping[str, str], batch_api: BatchServer) -> dict[str, str]:
    """What the stand-ins are filled in with."""
    return {**api, "batch_api": batch_api.url, "checkpoint": str(ROOT / "demo" / "checkpoint")}


@pytest.fixture
def environment(api: Mapping[str, str], store: S3Server, tmp_path: Path) -> dict[str, str]:
    """The variables of a reader's shell: this environment's commands, a key, no hub."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    return {
        **os.environ,
        **store.environment,
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "PATH": path,
        "DF_API_KEY": api["key"],
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
