"""A model that refuses some pictures whatever is asked stops no run."""

from __future__ import annotations

import hashlib
import shutil

from tests.servers.chat_server import ChatServer


def answer_by_picture(refused: int):
    """Refuses so many of ten pictures, at each ask."""

    def answer(_: str, body: dict) -> str:
        url = body["messages"][-1]["content"][0]["image_url"]["url"]
        digest = hashlib.md5(url.encode()).digest()
        if digest[0] % 10 < refused:
            return f"I'm sorry, but I can't help with picture {digest.hex()[:9]}."
        return f"A grey wall with the number {digest.hex()[:9]} stands in the sun."

    return answer


def test_a_fifth_of_the_pictures_refused_at_every_ask_is_failures_and_no_alarm(dataflow, pictures):
    pictures(300)
    with ChatServer(answer_by_picture(2), models=("m",)) as server:
        command = ["caption", "photos", "--api-url", server.url, "--model", "m", "-o", "out.jsonl"]
        done = dataflow(*command)
        assert done.returncode == 3, done.stderr
        failed = len((dataflow.folder / "out.jsonl.errors.jsonl").read_text().splitlines())
        assert failed > 40
        assert len(server.bodies) == 300 + 2 * failed
        again = dataflow(*command, "--retry-failed")
        assert again.returncode == 3, again.stderr
        assert "latest" not in again.stderr


def test_copies_of_one_picture_may_have_one_caption_and_one_reply_of_a_cache(dataflow, pictures):
    folder = pictures(2)
    for number in range(60):
        shutil.copy(folder / "00000.jpg", folder / f"copy{number}.jpg")
    with ChatServer(answer_by_picture(0), models=("m",)) as server:
        command = ["caption", "photos", "--api-url", server.url, "--model", "m", "-o", "out.jsonl"]
        done = dataflow(*command)
        assert done.returncode == 0, done.stderr
        assert len(server.bodies) == 62
