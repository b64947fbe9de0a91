"""The whole command against servers that answer as providers do."""

from __future__ import annotations

import sqlite3

from tests.servers.providers import PROVIDERS
from tests.servers.replay_server import KEY, ReplayServer

GPT_5 = next(provider for provider in PROVIDERS if provider.name == "OpenAI (5, o-series)")


def test_a_later_process_asks_at_once_as_the_model_takes_it(dataflow, pictures):
    """What a model takes otherwise is told once, stands in the journal and is sent so from then."""
    pictures(2)
    with ReplayServer(GPT_5) as server:
        line = [
            "caption", "photos", "-o", "out.jsonl", "--preset", "brief", "--max-tokens", 200,
            "--api-url", server.url, "--model", GPT_5.model, "--concurrency", 1,
        ]  # fmt: skip
        first = dataflow(*line, DF_API_KEY=KEY)
        assert first.returncode == 0, first.stderr
        assert first.stderr.count("does not take temperature") == 1
        asked = len(server.bodies)
        assert asked > 2
        pictures(4)
        second = dataflow(*line, DF_API_KEY=KEY)
        assert second.returncode == 0, second.stderr
        assert len(server.bodies) == asked + 2
        assert "does not take" not in second.stderr
        assert all("max_completion_tokens" in body for body in server.bodies[asked:])
        assert not any("temperature" in body for body in server.bodies[asked:])
    status = dataflow("status", "out.jsonl")
    assert "adapted" in status.stderr
    assert "max_completion_tokens" in status.stderr
    journal = sqlite3.connect(dataflow.folder / "out.jsonl.dataflow" / "journal.sqlite")
    names = [name for (name,) in journal.execute("SELECT serving FROM adaptations")]
    assert [name.partition(" at ")[0] for name in names] == [GPT_5.model]
