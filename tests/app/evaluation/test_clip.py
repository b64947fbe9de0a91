"""CLIP scores by an embeddings API over a real socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dataflow.app.evaluation.score import score, score_value
from dataflow.app.options.evaluation.score import ScoreOptions
from dataflow.core.errors import UsageError
from tests.servers.chat_server import ChatServer

PICTURE = [1.0, 0.0, 0.0]
VECTORS = {
    "good": [0.25, (1 - 0.25**2) ** 0.5, 0.0],
    "bad": [-0.5, (1 - 0.5**2) ** 0.5, 0.0],
}


class EmbeddingServer(ChatServer):
    """Every picture is one vector, and a text the one of its first word."""

    def __init__(self, *, is_broken: bool = False) -> None:
        super().__init__(lambda text, body: "")
        self.is_broken = is_broken

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        self.bodies.append(body)
        if self.is_broken:
            return {"data": []}
        if "messages" in body:
            vector = PICTURE
        else:
            [one] = body["input"]
            text = one.get("text") if isinstance(one, dict) else one
            vector = PICTURE if text is None else self.vector(text)
        return {"data": [{"embedding": vector}], "usage": {"prompt_tokens": 3}}

    @staticmethod
    def vector(text: str) -> list[float]:
        if text.startswith("reference"):
            x, y, _ = VECTORS["good"]
            # at a cosine of 0.8 with the good caption
            return [x * 0.8, y * 0.8, 0.6]
        return VECTORS[text.split()[0]]


@pytest.fixture
def captions(tmp_path: Path) -> str:
    rows = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (16, 16), (number * 40, 7, 7)).save(path)
        text = "good " + ("long words " * 60 if number == 5 else "") + str(number)
        rows.append({"image": path.name, "caption": text, "human": [f"reference {number}"]})
    path = tmp_path / "captions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def scored(server: EmbeddingServer, captions: str, **more):
    options = ScoreOptions(
        dataset=captions, clip="m", clip_url=server.url,
        output=str(Path(captions).parent / "scores"), **more,
    )  # fmt: skip
    return score(options)


@pytest.mark.parametrize("form", ["input", "messages"])
def test_the_scores_are_those_of_the_vectors(captions, form):
    with EmbeddingServer() as server:
        found = scored(server, captions, clip_form=form, references="human").clip
    assert found.clip_score.value == pytest.approx(0.625)
    assert round(found.ref_clip_score.value, 4) == 0.7018
    assert (found.captions, found.failed) == (6, 0)


def test_the_share_that_the_encoder_cuts_off_is_told(captions):
    with EmbeddingServer() as server:
        found = scored(server, captions).clip
    assert found.cut == pytest.approx(1 / 6)
    assert found.limit == 75
    assert found.ref_clip_score is None


def test_vectors_are_kept_and_not_asked_for_twice(captions):
    with EmbeddingServer() as server:
        first = scored(server, captions)
        asked = len(server.bodies)
        assert scored(server, captions) == first
        assert len(server.bodies) == asked == 12


def test_captions_against_their_pictures_score_nothing(captions):
    path = Path(captions)
    path.write_text(path.read_text().replace('"good', '"bad'))
    with EmbeddingServer() as server:
        assert scored(server, captions).clip.clip_score.value == 0.0


def test_the_result_has_the_clip_scores_as_json(captions):
    with EmbeddingServer() as server:
        value = score_value(scored(server, captions))
    assert value["clip"]["model"] == "m"
    assert value["clip"]["clip_score"]["value"] == pytest.approx(0.625)


def test_a_model_without_an_api_is_refused(captions):
    with pytest.raises(UsageError, match="--clip-url"):
        score(ScoreOptions(dataset=captions, clip="m"))
