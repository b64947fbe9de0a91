"""Runs in batches: in this process with short waits, and by the command itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from dataflow.core.protocols.batch import BatchOptions
from dataflow.engine.batch import results
from dataflow.engine.flow import retry_policy
from dataflow.serving.batch_vlm_serving_openai import BatchVLMServing_openai
from tests.faults.scene import Scene
from tests.servers.hostile_server import KEY, MODEL


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Sixty rows, each a different question about one of seven pictures."""
    return Scene(tmp_path, 60, 7)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    rules = {
        kind: dataclasses.replace(rule, base=0.001, cap=0.01)
        for kind, rule in retry_policy.RULES.items()
    }
    monkeypatch.setattr(retry_policy, "RULES", rules)
    monkeypatch.setattr(results, "LOST_WAITS", (0.05, 0.3))


@pytest.fixture
def serving_for(monkeypatch):
    """A serving for a server, in batches of twenty requests."""
    monkeypatch.setenv("DF_API_KEY", KEY)

    def make(server, **more):
        given = {"requests": 20, "poll": 0.02, **more}
        return BatchVLMServing_openai(
            server.url,
            model_name=MODEL,
            timeout=20,
            temperature=0.0,
            batching=BatchOptions(**given),
        )

    return make
