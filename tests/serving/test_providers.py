"""One contract for every provider: six situations, each with its outcome."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import os
import re
import shlex
import subprocess
import sys

import pytest

from dataflow.core import errors
from dataflow.core.request import Reply
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.paths import ROOT
from tests.servers.hostile_faults import caption_of
from tests.servers.providers import PROVIDERS
from tests.servers.replay_server import KEY, SITUATIONS, Answer, ReplayServer

NAMES = [provider.name for provider in PROVIDERS]
everyone = pytest.mark.parametrize("provider", PROVIDERS, ids=NAMES)


@pytest.fixture
def ask(question, monkeypatch):
    """Provider and situation → the outcome of asking about a picture, and the requests' bodies."""

    def run(provider, situation, *, key=KEY, model=None, numbers=(1,), **sampling):
        monkeypatch.setenv("THEIR_KEY", key)

        async def scene(url):
            serving = APIVLMServing_openai(
                url, "THEIR_KEY", model or provider.model, timeout=10, **provider.arguments
            )
            async with serving.connect() as client:
                return [await client.send(*asked(number)) for number in numbers]

        def asked(number):
            request, pictures = question(number)
            if sampling:
                request = type(request)(request.turns, sampling, droppable=frozenset(sampling))
            return request, pictures

        with ReplayServer(provider, situation) as server:
            try:
                return asyncio.run(scene(server.url)), server.bodies
            except errors.DataflowError as error:
                return error, server.bodies

    return run


def test_there_are_twenty_and_six_situations():
    assert len(PROVIDERS) >= 20
    assert len(set(NAMES)) == len(NAMES)
    assert len(SITUATIONS) == 6


@everyone
def test_the_main_job(provider, ask, question):
    replies, _ = ask(provider, "main job", numbers=(1, 2, 3))
    assert [reply.text for reply in replies] == [
        caption_of(question(number)[1][0].data) for number in (1, 2, 3)
    ]
    assert {reply.finish_reason for reply in replies} <= {"stop", None}


@everyone
def test_what_this_program_adds_by_itself_never_fails_a_row(provider, ask):
    """A preset's temperature, and a re-ask's seed and penalty."""
    replies, bodies = ask(
        provider, "main job", numbers=(1, 2), temperature=0.2, seed=7, frequency_penalty=0.5
    )
    assert all(isinstance(reply, Reply) for reply in replies)
    assert not provider.refuses.keys() & bodies[-1].keys()


@everyone
def test_a_wrong_key(provider, ask):
    outcome, _ = ask(provider, "wrong key", key="sk-wrong-0123456789")
    if provider.wrong_key is None:
        assert isinstance(outcome[0], Reply)
    else:
        assert isinstance(outcome, errors.WrongKeyError)
        assert "sk-wrong-0123456789" not in outcome.message


@everyone
def test_an_unknown_model(provider, ask):
    outcome, _ = ask(provider, "unknown model", model="nope")
    if provider.unknown_model is None:
        assert isinstance(outcome[0], Reply)
    else:
        assert isinstance(outcome, errors.UnknownModelError), outcome
        assert provider.model in outcome.message


@everyone
def test_a_rate_limit(provider, ask):
    outcome, _ = ask(provider, "rate limit")
    assert isinstance(outcome, (errors.RateLimitedError, errors.OverloadedError)), outcome
    if provider.wait == math.inf:  # until tomorrow
        assert 0 < outcome.retry_after <= 86_400
        return
    assert outcome.retry_after == (
        None if provider.wait is None else pytest.approx(provider.wait, abs=1)
    )


@everyone
def test_a_refusal(provider, ask):
    if provider.refusal is None:
        pytest.skip("it filters nothing; a model's refusal in words is found by the checks")
    outcome, bodies = ask(provider, "refusal")
    assert isinstance(outcome, errors.RefusedError), outcome
    most = 1 + len(provider.refuses)  # a parameter is taken back at most once
    assert len(bodies) <= most


@everyone
def test_a_cut_answer(provider, ask):
    replies, _ = ask(provider, "cut answer")
    assert replies[0].finish_reason == "length"


@everyone
def test_the_documentation_has_its_line_and_its_source(provider):
    page = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
    assert f"### {provider.name}" in page
    assert provider.command in page
    for source in re.findall(r"https://[^ ,)]+", provider.source):
        assert source in page


def test_every_answer_is_another_one():
    """Nobody's answers are copied from a neighbour by mistake."""
    for one, other in itertools.combinations(PROVIDERS, 2):
        assert (one.url, one.model) != (other.url, other.model)
    assert all(isinstance(provider.rate_limit, Answer) for provider in PROVIDERS)


@pytest.mark.parametrize("name", ["Azure OpenAI", "DashScope (Qwen-VL)"])
def test_the_documented_command_captions_a_folder(name, photos, tmp_path):
    """A user's own line, with nothing changed but the host."""
    provider = next(provider for provider in PROVIDERS if provider.name == name)
    (tmp_path / "photos").mkdir()
    for path in photos[:3]:
        path.rename(tmp_path / "photos" / path.name)
    with ReplayServer(provider) as server:
        words = shlex.split(provider.command.replace(provider.url, server.url))
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=tmp_path,
            env={**os.environ, provider.key_variable: KEY},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert all(row["caption"].startswith("A picture with the mark") for row in rows)
    assert len(rows) == 3
