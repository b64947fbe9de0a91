"""Pictures and questions for the tests of servings."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dataflow.core.picture import ImageRef, Picture
from dataflow.core.protocols.serving import LLMServingABC
from dataflow.core.request import Request, Turn
from tests.servers.hostile_server import HostileServer

MakeServer = Callable[..., HostileServer]


def encode(number: int) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (number * 7 % 256, number * 31 % 256, 90)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Eight files of different pictures."""
    paths = [tmp_path / f"photo {number}.jpg" for number in range(8)]
    for number, path in enumerate(paths):
        path.write_bytes(encode(number))
    return paths


@pytest.fixture
def question() -> Callable[[int], tuple[Request, list[Picture]]]:
    """A number → a question about the picture of that number, with the picture loaded."""

    def make(number: int) -> tuple[Request, list[Picture]]:
        ref = ImageRef("path", f"{number}.jpg", f"{number}.jpg")
        turns = (
            Turn("system", ("You describe pictures.",)),
            Turn("user", (ref, f"What is in picture {number}?")),
        )
        return Request(turns), [Picture(encode(number), "image/jpeg", 64, 48)]

    return make


@pytest.fixture
def hostile() -> Iterator[MakeServer]:
    """Starts hostile servers and stops them afterwards."""
    running: list[HostileServer] = []

    def start(*args: object, **options: object) -> HostileServer:
        server = HostileServer(*args, **options).__enter__()  # type: ignore[arg-type]
        running.append(server)
        return server

    yield start
    for server in running:
        server.__exit__()


class ListsInListsOut(LLMServingABC):
    """A serving as a user writes one."""

    def __init__(self) -> None:
        self.calls: list[list[object]] = []

    def generate_from_input(self, user_inputs, system_prompt):
        raise AssertionError("the messages' method comes first")

    def generate_from_input_messages(self, conversations, image_list=None, system_prompt=""):
        self.calls.append(conversations)
        return [
            f"{system_prompt} {turns[-1]['value']} {pictures}"
            for turns, pictures in zip(conversations, image_list, strict=True)
        ]

    def cleanup(self):
        pass


@pytest.fixture
def lists_in_lists_out() -> ListsInListsOut:
    return ListsInListsOut()
